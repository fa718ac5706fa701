"""Whole recorded sessions in formats of others, to learn from and to score."""
