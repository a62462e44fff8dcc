"""The DAGs and the stand-ins of the stages, for tests of what runs them."""

from tests.dags.conftest import fresh, stages

__all__ = ["fresh", "stages"]
