"""What holds for every segment: which attributes may be used, and who is in none of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ml.segments.conditions import Condition
from ml.segments.forms import Form, Text
from ml.segments.reading import Lines, read_definition

FILE = "segmentation.yaml"


class HouseRules(Form):
    """The whole of `config/segmentation.yaml`."""

    attributes: tuple[Text, ...] = Field(
        (), description="Columns of `customer_profiles` that segments may use; all others are refused."
    )
    exclude: tuple[Condition, ...] = Field(
        (), description="Who meets any of these is in no segment. Segments that these name are built without them."
    )


def load_house_rules(config_dir: Path) -> tuple[HouseRules, Lines]:
    """Return the rules of a folder, and the lines of its keys; none where it has no file.

    Raises `ConfigError` naming line and key.
    """
    path = config_dir / FILE
    return read_definition(path, HouseRules) if path.exists() else (HouseRules(), {})
