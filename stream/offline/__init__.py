"""Recorded events through the same judge as a worker's: replayed, explained, measured, scored."""
