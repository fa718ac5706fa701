"""OCSF: events of whatever product writes them."""
