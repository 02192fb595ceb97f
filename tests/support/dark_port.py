"""A port where packets are swallowed: a connection is neither taken nor refused."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def dark_port(port: int = 0) -> Iterator[int]:
    """Have a port of 127.0.0.1 swallow what is sent to it, for as long as the block lasts.

    The kernel drops the first packet of a connection that finds the queue of those not taken yet full.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
