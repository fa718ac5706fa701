"""OpenTelemetry: spans of agents and of tool servers."""
