"""A worker's state, in memory and in Redis: partitions taken over, workflows loaded and stored, fenced."""
