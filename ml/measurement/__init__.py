"""Measurement: holdouts and what the members of a segment bought."""
