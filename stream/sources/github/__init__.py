"""GitHub: the audit log."""
