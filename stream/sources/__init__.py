"""Where recorded runs come from besides our own events: one file per format."""
