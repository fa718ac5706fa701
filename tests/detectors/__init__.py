"""Each detector: sessions that fire, and look-alikes that must not."""
