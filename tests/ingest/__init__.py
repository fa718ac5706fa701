"""Records of every source become sightings, or errors with a reason."""
