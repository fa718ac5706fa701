"""Peers and bystanders of a measurement, each a process of its own that prints one line of JSON."""
