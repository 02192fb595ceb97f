"""An in-memory Nacos server for the demo, the tests and the benchmarks."""
