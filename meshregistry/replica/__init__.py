"""The exchange between replicas: a world for one that starts, operators' decisions for all."""
