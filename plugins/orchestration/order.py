"""In which order the DAGs run, read from their assets: what a DAG waits for or reads comes from an earlier one."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAny

from orchestration.assets import FEEDBACK
from orchestration.house import ON_REQUEST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from airflow.sdk import DAG


def asset_order(dags: Iterable[DAG]) -> list[DAG]:
    """Sort DAGs so that each comes after those whose assets it needs; equals keep their file's order.

    Assets that flow backwards (`FEEDBACK`) do not count. Raises `ValueError` when assets form a circle.
    """
    by_file = sorted(dags, key=lambda dag: str(dag.fileloc))
    sorter = TopologicalSorter(upstream({dag.dag_id: dag for dag in by_file}))
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"These DAGs wait for each other: {' -> '.join(error.args[1])}") from error
    return _stable(sorter, by_file)


def upstream(dags: Mapping[str, DAG]) -> dict[str, set[str]]:
    """Return, for each DAG's id, the ids of the DAGs that publish what it needs."""
    published = {asset: dag_id for dag_id, dag in dags.items() if not on_request(dag) for asset in outlets(dag)}
    return {
        dag_id: {published[asset] for asset in _needs(dag) if asset in published} - {dag_id}
        for dag_id, dag in dags.items()
    }


def _stable(sorter: TopologicalSorter[str], by_file: list[DAG]) -> list[DAG]:
    """Take the ready DAG that comes first by file name, again and again."""
    done: list[DAG] = []
    ready: set[str] = set()
    while sorter.is_active():
        ready |= set(sorter.get_ready())
        following = next(dag for dag in by_file if dag.dag_id in ready)
        ready.remove(following.dag_id)
        sorter.done(following.dag_id)
        done.append(following)
    return done


def on_request(dag: DAG) -> bool:
    """Return whether only a person starts a DAG: it is no stage of the chain."""
    return ON_REQUEST in dag.tags


def may_start(dag: DAG, published: Collection[str], expected: Collection[str]) -> bool:
    """Return whether the assets that start a DAG are there.

    Args:
        dag: the DAG.
        published: names of the assets published so far.
        expected: names of the assets that some DAG of this chain publishes; others are taken to be there.
    """
    return _is_met(getattr(dag.timetable, "asset_condition", None), published, expected)


def _is_met(condition: Any, published: Collection[str], expected: Collection[str]) -> bool:
    inner = getattr(condition, "objects", None)
    if condition is None:
        return True
    if inner is None:
        return condition.name in published or condition.name not in expected
    some = any if isinstance(condition, AssetAny) else all
    return some(_is_met(part, published, expected) for part in inner)


def outlets(dag: DAG) -> set[str]:
    """Return the names of what a DAG publishes, without what flows backwards."""
    return {asset.name for task in dag.tasks for asset in task.outlets} - FEEDBACK


def _needs(dag: DAG) -> set[str]:
    read = {asset.name for task in dag.tasks for asset in task.inlets}
    return (read | _awaited(getattr(dag.timetable, "asset_condition", None))) - FEEDBACK


def _awaited(condition: Any) -> set[str]:
    """Return the names in a schedule: one asset, or any and all of several, nested."""
    if condition is None:
        return set()
    inner = getattr(condition, "objects", None)
    return {condition.name} if inner is None else {name for part in inner for name in _awaited(part)}
