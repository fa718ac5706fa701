"""Keycloak: admin and user events."""
