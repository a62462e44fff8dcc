"""Operators: they hold a run's state; hooks transport and `ml.syncs` decides."""
