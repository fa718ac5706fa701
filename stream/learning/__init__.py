"""Recorded sessions made into a baseline: who may teach, and what is kept of what was read."""
