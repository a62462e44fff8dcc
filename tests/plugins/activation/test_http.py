import httpx
import pytest

from activation.hooks.http import Account, JsonClient, backoff, retry_after
from ml.errors import FatalError, RetriableError


def client(answer, turns=None):
    account = Account("Acme", "https://acme.example", {}, "connection acme_default")
    turns = turns if turns is not None else []
    return JsonClient(account, lambda: turns.append(1), transport=httpx.MockTransport(answer))


def test_what_the_platform_asks_for_is_waited_for_with_a_little_more():
    assert 7.0 <= backoff(RetriableError("busy", 7.0)) <= 7.5
    assert backoff(RetriableError("busy", 0.0)) >= 0.0


def test_without_a_wish_the_wait_grows_by_itself_and_a_long_wish_ends_the_task():
    assert backoff(RetriableError("busy")) is True
    assert backoff(RetriableError("busy", 3600.0)) is False


def test_nothing_else_is_tried_again():
    assert backoff(FatalError("no")) is False
    assert backoff(ValueError("a bug")) is False


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-3", 0.0), (None, None), ("soon", None), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0)],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after(header, now=lambda: 10.0) == seconds


def test_every_attempt_takes_a_turn_at_the_limiter(no_waiting):
    turns, answers = [], iter([503, 503, 200])
    made = client(lambda _: httpx.Response(next(answers), json={}), turns)
    assert made.request("GET", "/x").ok
    assert len(turns) == 3


def test_a_lost_connection_is_retriable_and_names_the_request(no_waiting):
    def lost(request):
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(RetriableError, match="Acme did not answer: ConnectError at GET /x"):
        client(lost).request("GET", "/x")


@pytest.mark.parametrize("status", [302, 405, 418])
def test_a_status_that_no_contract_names_is_fatal(status):
    with pytest.raises(FatalError, match=f"Acme answered {status} at GET /x, which no contract names"):
        client(lambda _: httpx.Response(status)).request("GET", "/x")


def test_an_address_without_a_host_is_fatal():
    account = Account("Acme", "nonsense://", {}, "connection acme_default")
    with pytest.raises(FatalError, match=r"the address is wrong.*connection acme_default"):
        JsonClient(account, lambda: None).request("GET", "/x")


def test_a_refusal_is_an_answer_and_its_message_names_no_address():
    answer = client(lambda _: httpx.Response(400, json={"message": "ann@example.com is bad"})).request("GET", "/x")
    assert (answer.ok, answer.message) == (False, "a***@example.com is bad")


def test_an_error_page_names_no_address(no_waiting):
    with pytest.raises(RetriableError) as caught:
        client(lambda _: httpx.Response(500, text="<p>ann@example.com</p>")).request("GET", "/x")
    assert "ann@" not in str(caught.value)
