"""Okta: the System Log."""
