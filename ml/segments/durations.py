"""Lengths of time as a person writes them: `10m`, `48h`, `30d`, `2w`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ConfigDict, GetJsonSchemaHandler, RootModel, field_validator
from pydantic_core import CoreSchema, PydanticCustomError

_UNITS = {"s": ("second", 1), "m": ("minute", 60), "h": ("hour", 3600), "d": ("day", 86_400), "w": ("week", 604_800)}
_PATTERN = r"^[1-9][0-9]{0,5}[smhdw]$"
_EXAMPLES = "write a whole number and s, m (minutes), h, d or w, such as 10m, 48h or 30d"


class Duration(RootModel[str]):
    """A length of time greater than zero; `48h` keeps being called 48 hours, never 2 days."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root", mode="before")
    @classmethod
    def _readable(cls, value: object) -> object:
        text = str(value).replace(" ", "")
        if re.fullmatch(r"0+[smhdw]?", text):
            raise PydanticCustomError("window", "a time of zero holds nothing: {hint}", {"hint": _EXAMPLES})
        if not re.fullmatch(_PATTERN, text):
            raise PydanticCustomError(
                "window", "{found} is not a length of time: {hint}", {"found": repr(value), "hint": _EXAMPLES}
            )
        return text

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": _PATTERN, "description": f"A length of time: {_EXAMPLES}."}

    @property
    def seconds(self) -> int:
        """The length in seconds."""
        return int(self.root[:-1]) * _UNITS[self.root[-1]][1]

    @property
    def words(self) -> str:
        """The length as a person says it: `48 hours`, `1 day`."""
        count = self.root[:-1]
        return f"{count} {_UNITS[self.root[-1]][0]}{'' if count == '1' else 's'}"
