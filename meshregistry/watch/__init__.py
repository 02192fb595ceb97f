"""A model of istiod as the client of an MCP-over-xDS server: the ``watch`` command and the tests' client.

It imports no room of the server, so that the two cannot share a misreading of the rules.
"""

from meshregistry.watch.command import WatchOptions, watch

__all__ = ["WatchOptions", "watch"]
