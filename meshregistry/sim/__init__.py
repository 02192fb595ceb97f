"""Small in-memory registries for the demo, the tests and the benchmarks."""
