"""Tests on real servers: a broker, a store, workers as their own processes."""
