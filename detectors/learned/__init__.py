"""Baselines made into findings, one file each."""
