"""Clusters: proposed once, then pinned in a file that is checked like any definition."""

import json

import pytest

from ml.errors import ConfigError, NotEnoughData
from ml.segments.clusters import fit, load_clusterings
from ml.segments.vocabulary import load_vocabulary
from ml.settings import PROJECT_DIR
from tests.ml.segments.test_segment_cli import run
from tests.ml.segments.worlds import AS_OF, World, known

FEATURES = ["recency_days", "spend_cents_84d"]
RIGHT = (PROJECT_DIR / "config" / "clusters.yaml").read_text()


@pytest.fixture
def shop(duck):
    """Twenty who spend little and lately, ten who spent much long ago, one of whom nothing is known."""
    made = World()
    for key in range(20):
        made.customer(key, recency_days=key % 3, spend_cents_84d=100 + key)
    for key in range(20, 30):
        made.customer(key, recency_days=90 + key % 3, spend_cents_84d=9_000)
    made.customer(30)
    made.write(duck)
    return duck


def test_what_is_fitted_tells_the_groups_apart_and_repeats(shop):
    found, sizes = fit(shop, FEATURES, 2, AS_OF)
    assert sizes == {"cluster_1": 21, "cluster_2": 10}
    assert found.centres["cluster_2"]["spend_cents_84d"] == pytest.approx(9_000, rel=0.01)
    assert found == fit(shop, FEATURES, 2, AS_OF)[0]
    with pytest.raises(NotEnoughData, match="31 customers at 2018-01-01T05:00:00"):
        fit(shop, FEATURES, 4, AS_OF)


def test_the_proposal_is_a_file_that_can_be_read(shop, tmp_path):
    asked = ["--feature", "recency_days", "--feature", "spend_cents_84d", "--count", "2"]
    text = run("segments", "fit-clusters", "groups", *asked)
    assert "# cluster_1: 21 customers" in text
    (tmp_path / "clusters.yaml").write_text(text)
    loaded = load_clusterings(tmp_path, known().features)
    assert json.loads(run("segments", "fit-clusters", "groups", *asked, "--json"))["clusters"] == {
        "groups": loaded["groups"].model_dump(mode="json")
    }
    assert "did you mean recency_days" in run("segments", "fit-clusters", "x", "--feature", "recency_day", code=1)


def test_the_shipped_file_is_right():
    assert set(load_vocabulary().clusterings) == {"habits"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "recency_days:",
            "recency_day:",
            "clusters.habits.centres.occasional: occasional and features do not name the same",
        ),
        ("spread: 44.34", "spread: 0", "clusters.habits.features.recency_days.spread: write a number above 0"),
        ("centres:", "centers:", "clusters.habits.centers: unknown key; did you mean centres?"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path, old, new, words):
    (tmp_path / "clusters.yaml").write_text(RIGHT.replace(old, new, 1))
    with pytest.raises(ConfigError, match=r"clusters.yaml:\d+: ") as error:
        load_clusterings(tmp_path, load_vocabulary().features)
    assert words in str(error.value)


def test_a_feature_that_is_no_number_is_refused(tmp_path):
    (tmp_path / "clusters.yaml").write_text(RIGHT.replace("recency_days", "lifecycle_stage"))
    with pytest.raises(ConfigError, match=r"yaml:7: .*habits.features.lifecycle_stage: there is no numeric"):
        load_clusterings(tmp_path, load_vocabulary().features)
