"""Other systems' records: one folder per provider, from bytes to sightings."""
