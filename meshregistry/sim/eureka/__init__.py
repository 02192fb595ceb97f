"""An in-memory Eureka server, alone or with peers, for the demo, the tests and the benchmarks."""
