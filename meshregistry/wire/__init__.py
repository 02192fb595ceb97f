"""Bytes of the resources: the protobuf writer and the cached frames."""
