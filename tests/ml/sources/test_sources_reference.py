"""docs/sources.md: its examples are valid, its reference is current."""

import re

from ml.settings import PROJECT_DIR
from ml.sources.config import load_sources
from ml.sources.reference import page
from ml.sources.spec import ColumnMapping, Source

PAGE = (PROJECT_DIR / "docs" / "sources.md").read_text()


def test_the_reference_is_current_and_names_every_key():
    assert page(PAGE) == PAGE, "run `audienceflow docs`"
    for model in (Source, ColumnMapping):
        assert all(f"| `{field.alias or name}` |" in PAGE for name, field in model.model_fields.items())


def test_the_examples_are_valid(tmp_path, home):
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert list(load_sources(path)) == ["crm_people", "shop_orders"]
