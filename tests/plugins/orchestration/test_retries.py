"""The error's class decides whether a task is tried again."""

import pytest
from airflow.sdk import RetryAction

from ml.errors import ConfigError, GuardTripped, RetriableError, WarehouseAway, WarehouseBusy, WarehouseError
from orchestration.retries import RetryByError

POLICY = RetryByError(base=10.0, most=60.0)


@pytest.mark.parametrize(
    "error", [ConfigError("x"), GuardTripped("x"), WarehouseError("x"), KeyError("x"), ValueError("x")]
)
def test_what_waiting_does_not_mend_fails_at_once(error):
    assert POLICY.evaluate(error, 1, 3).action is RetryAction.FAIL


@pytest.mark.parametrize("error", [WarehouseBusy("x"), WarehouseAway("x"), ConnectionError("x")])
def test_what_may_pass_is_tried_again(error):
    decision = POLICY.evaluate(error, 1, 3)
    assert decision.action is RetryAction.RETRY
    assert 5 <= decision.retry_delay.total_seconds() <= 10


def test_the_wait_doubles_has_jitter_and_an_end():
    assert [0.5 <= POLICY.delay(n) / w <= 1 for n, w in ((1, 10), (2, 20), (3, 40), (9, 60))] == [True] * 4
    assert len({POLICY.delay(2) for _ in range(20)}) > 1


def test_nobody_comes_back_sooner_than_asked():
    decision = POLICY.evaluate(RetriableError("slow down", retry_after=120.0), 1, 3)
    assert decision.retry_delay.total_seconds() == 120
