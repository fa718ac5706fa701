"""Other systems' records in: one file per source, and what finds the session an act belongs to."""
