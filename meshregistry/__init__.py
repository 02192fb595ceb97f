"""Meshregistry brings services registered in Nacos, ZooKeeper and Eureka into an Istio mesh."""

__version__ = "0.1.0"
