"""Segments: the language, its compiler to SQL, and who is in them at a point in time."""
