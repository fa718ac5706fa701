"""Tests: each docstring states a promise."""
