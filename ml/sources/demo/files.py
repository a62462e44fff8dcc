"""Write Arrow tables as the demo's files: under a temporary name first, then renamed."""

import gzip
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ml.sources.demo.randomness import Bits, Integers

PARTIAL = ".partial"


def hex_ids(bits: Bits) -> pa.Array:
    """64-bit numbers as 16 hexadecimal characters each."""
    text = bits.astype(">u8").tobytes().hex().encode()
    offsets = np.arange(len(bits) + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(len(bits), pa.py_buffer(offsets), pa.py_buffer(text))


def labels(codes: Integers, names: Sequence[str | None]) -> pa.Array:
    """Codes as strings; a code of -1 is null."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).cast(pa.string())


def nullable(values: NDArray[np.generic], missing: NDArray[np.bool_]) -> pa.Array:
    """Numbers with nulls where `missing`."""
    return pa.array(values, mask=missing)


def valid(values: pa.Array) -> NDArray[np.bool_]:
    """Which values are not null."""
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False))


def timestamps(epoch: Integers, missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """Epoch seconds as naive UTC timestamps in microseconds, which every engine reads alike."""
    return pa.array(epoch * 1_000_000, pa.int64(), mask=missing).cast(pa.timestamp("us"))


def iso(epoch: Integers) -> pa.Array:
    """Epoch seconds as ISO 8601 text with a Z."""
    return pc.strftime(pa.array(epoch).cast(pa.timestamp("s")), format="%Y-%m-%dT%H:%M:%SZ")


def join(*parts: pa.Array | str, by: str = "") -> pa.Array:
    """Strings joined row by row."""
    return pc.binary_join_element_wise(*parts, by)


def write_parquet(table: pa.Table, path: Path) -> Path:
    """Write one Parquet file."""
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd", row_group_size=131_072)
    return path


def write_csv_gz(table: pa.Table, path: Path) -> Path:
    """Write one gzip CSV file whose bytes depend on the rows only."""
    buffer = io.BytesIO()
    pa_csv.write_csv(table, buffer, pa_csv.WriteOptions(quoting_style="needed"))
    return write_bytes(gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0), path)


def write_json_lines(table: pa.Table, path: Path) -> Path:
    """Write one JSON object a line."""
    frame = table.to_pandas(types_mapper=_pandas_types().get)
    return write_bytes(frame.to_json(orient="records", lines=True).encode(), path)


def write_bytes(content: bytes, path: Path) -> Path:
    """Write a small file whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def _pandas_types() -> dict[pa.DataType, object]:
    import pandas as pd

    return {pa.int64(): pd.Int64Dtype()}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name and, when the block succeeds, move it to `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class ParquetTables:
    """One Parquet file per table, written in pieces and renamed into place when all of them are complete.

    Dictionary-encoded columns are stored as the strings they stand for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, pq.ParquetWriter] = {}
        self._rows: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def write(self, name: str, table: pa.Table) -> None:
        """Append rows to a table."""
        if name not in self._open:
            coded = [column.name for column in table.schema if pa.types.is_dictionary(column.type)]
            self._open[name] = pq.ParquetWriter(
                self._partial(name), table.schema, compression="lz4", use_dictionary=coded, store_schema=False
            )
        self._open[name].write_table(table)
        self._rows[name] = self._rows.get(name, 0) + len(table)

    def written(self) -> dict[str, dict[str, Any]]:
        """Path and rows of each table."""
        return {name: {"path": str(self._path(name)), "rows": rows} for name, rows in self._rows.items()}

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for name, writer in self._open.items():
            writer.close()
            if kind is None:
                self._partial(name).replace(self._path(name))
            else:
                self._partial(name).unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"

    def _partial(self, name: str) -> Path:
        return self._folder / f".{name}.parquet{PARTIAL}"
