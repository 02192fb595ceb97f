"""The ZooKeeper source: Dubbo services and Spring Cloud applications."""
