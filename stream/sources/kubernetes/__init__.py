"""Kubernetes: the API server's audit log."""
