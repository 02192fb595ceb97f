"""A ZooKeeper server in memory that speaks the real protocol, for the demo and for tests of faults."""
