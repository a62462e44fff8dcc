"""Score every customer with each champion: a calibrated probability or expected cents, and the reasons.

Starts when new features are ready, trained or not, and again when a champion changes. A model without a champion is
left out; when there is none at all the run is skipped and says so. Last, each customer's offers get their ranks.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from orchestration.assets import CHAMPIONS, table, tables
from orchestration.house import WRITER, house
from orchestration.params import AS_OF, as_of_task, choice, pick, publish


@dag(
    schedule=table("customer_features") | CHAMPIONS,
    params={"as_of": AS_OF, "models": choice("Models", "models of config/models")},
    doc_md=__doc__,
    **house("scores", owner="ml-engineering"),
)
def score_customers() -> None:
    @task
    def choose(*, params: dict[str, Any]) -> list[str]:
        from ml.models.registry import models_without_champion
        from ml.models.train import model_names

        missing = models_without_champion()
        ready = [name for name in pick(params["models"], model_names(), "model") if name not in missing]
        if not ready:
            raise AirflowSkipException(
                f"No champion yet for {', '.join(missing)}: watch_drift asks for training, scoring follows it"
            )
        return ready

    @task(pool=WRITER, max_active_tis_per_dagrun=1, map_index_template="{{ task.op_kwargs['name'] }}")
    def score(name: str, as_of: str) -> dict[str, Any]:
        from ml.scores.batch import score_model

        return score_model(name, as_of)

    @task(pool=WRITER)
    def rank(as_of: str) -> dict[str, Any]:
        from ml.scores.offers import rank_offers

        return rank_offers(as_of)

    as_of = as_of_task()
    scored = score.partial(as_of=as_of).expand(name=choose())
    scored >> rank(as_of) >> publish.override(outlets=tables("customer_scores"))(as_of)


score_customers()
