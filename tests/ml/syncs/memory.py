"""A warehouse in memory with the calls that a sync makes; a test compares it with both engines."""

import operator
from contextlib import nullcontext

import pandas as pd
import pyarrow as pa

from ml import schema
from ml.sql import table
from ml.times import AsOf
from ml.warehouse import to_pandas

OPERATORS = {"!=": operator.ne, "<": operator.lt, "=": operator.eq}


class MemoryWarehouse:
    def __init__(self):
        self.tables = {}

    def copy(self):
        copied = MemoryWarehouse()
        copied.tables = dict(self.tables)  # frames are replaced, never changed
        return copied

    def held(self):
        return nullcontext()

    def create(self, *names):
        """Tables exist as soon as they are named."""

    def write(self, name, rows, partition=None):
        spec, part = table(name), {k: _plain(v) for k, v in (partition or {}).items()}
        incoming = to_pandas(schema.conform(spec, rows, part))
        held = self._held(name)
        if spec.spec.write == "merge":
            keys = pd.MultiIndex.from_frame(incoming[list(spec.key)])
            held = held[~pd.MultiIndex.from_frame(held[list(spec.key)]).isin(keys)]
        else:
            held = held[~_matches(held, part)]
        self.tables[name] = pd.concat([held, incoming], ignore_index=True)
        return len(incoming)

    def read(self, name, columns=None, where=None, order_by=None):
        held = self._held(name)
        rows = held[_matches(held, {k: _plain(v) for k, v in (where or {}).items()})]
        rows = rows.sort_values(order_by) if order_by else rows
        return rows[columns or table(name).column_names]

    def delete(self, name, where=None):
        self.tables[name] = self._held(name)[~_matches(self._held(name), where or {})]

    def select(self, path, segment, as_of, purpose, channel):
        assert path == "6_segments/queries/sync_members.sql"
        members = self.read("segment_members", ["customer_key", "is_holdout"], {"segment": segment, "as_of": as_of})
        consents = self.read("customer_consents", where={"purpose": purpose, "channel": channel})
        profiles = self.read("customer_profiles", ["customer_key", "email"])
        members = members.merge(profiles, how="left").merge(consents[["customer_key", "granted"]], how="left")
        return members[["customer_key", "is_holdout", "email", "granted"]]

    def _held(self, name):
        empty = pa.Table.from_pylist([], schema=schema.arrow_schema(table(name)))
        return self.tables.get(name, to_pandas(empty))


def _plain(value):
    return value.at if isinstance(value, AsOf) else value


def _matches(rows, where):
    mask = pd.Series(data=True, index=rows.index)
    for column, value in where.items():
        if isinstance(value, tuple):
            mask &= OPERATORS[value[0]](rows[column], value[1])
        else:
            mask &= rows[column].isin(value if isinstance(value, list) else [value])
    return mask.fillna(value=False).astype(bool)
