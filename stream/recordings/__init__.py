"""Recorded events and records as lines: files, folders, Parquet, ranges of a topic."""
