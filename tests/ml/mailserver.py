"""A mail server and a web hook on this machine that do as they are told, well or not."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any


@dataclass
class Inbox:
    """What arrived. `answers` are given before the good one: a status, or `hang`."""

    address: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, good: int) -> int | None:
        """Return the next status; None after a silence that lasts until the test ends."""
        found = self.answers.pop(0) if self.answers else good
        if found == "hang":
            self.over.wait(30)
            return None
        return int(found)


@contextmanager
def web_hook() -> Iterator[Inbox]:
    """Serve a web hook."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.heard.append("POST")
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if status := inbox.answer(204):
                inbox.posts += [body] if status < 300 else []
                self.send_response(status)
                self.send_header("location", inbox.address)
                self.end_headers()

        def do_GET(self) -> None:
            inbox.heard.append("GET")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), inbox, "http") as found:
        yield found


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[Inbox]:
    """Serve SMTP; with `tls` it offers STARTTLS and asks for a password."""
    inbox = Inbox()

    class Handler(_Smtp):
        pass

    Handler.inbox, Handler.tls = inbox, tls
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with _serving(server, inbox, "smtp") as found:
        yield found


@contextmanager
def _serving(server: socketserver.TCPServer, inbox: Inbox, scheme: str) -> Iterator[Inbox]:
    inbox.address = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        inbox.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs to hand in a mail."""

    inbox: Inbox
    tls: ssl.SSLContext | None

    def handle(self) -> None:
        self._say(220)
        words = {"EHLO": self._hello, "STARTTLS": self._start_tls, "DATA": self._data}
        while line := self.rfile.readline():
            verb = line.decode().split()[0].upper()
            self.inbox.heard.append(verb)
            words.get(verb, self._agree(verb))()
            if verb == "QUIT":
                return

    def _say(self, code: int, text: str = "so be it") -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())

    def _agree(self, verb: str) -> Callable[[], None]:
        return lambda: self._say({"QUIT": 221, "AUTH": 235}.get(verb, 250))

    def _hello(self) -> None:
        offered = "AUTH PLAIN" if isinstance(self.request, ssl.SSLSocket) else "STARTTLS" if self.tls else "8BITMIME"
        self.wfile.write(f"250-here\r\n250 {offered}\r\n".encode())

    def _start_tls(self) -> None:
        assert self.tls is not None
        self._say(220)
        self.request = self.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)

    def _data(self) -> None:
        if (code := self.inbox.answer(354)) is None:
            return
        self._say(code)
        if code == 354:
            lines = iter(self.rfile.readline, b".\r\n")
            self.inbox.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
            self._say(250)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS for 127.0.0.1, and the file of the authority to trust."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    signed = made.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    trusted, secret = folder / "trusted.pem", folder / "key.pem"
    trusted.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted
