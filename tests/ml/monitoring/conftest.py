"""Fixtures of the made-up shop."""

from tests.ml.models.shop import built, empty_store, shop, store, trained, trained_home

__all__ = ["built", "empty_store", "shop", "store", "trained", "trained_home"]
