"""Real servers out of packages, for the demo, the tests and the benchmarks; never part of the wheel."""
