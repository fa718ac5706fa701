"""Declared sequences of operations, and the matcher that follows them in event time."""
