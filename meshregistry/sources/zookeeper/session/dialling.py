"""From an address to a connection that a server has greeted on."""

import asyncio
import ssl
from collections.abc import Callable

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.zookeeper.session.errors import ConnectionLoss, ProtocolFault
from meshregistry.sources.zookeeper.session.greeting import Ticket, Welcome, pack_greeting, read_welcome
from meshregistry.sources.zookeeper.session.hosts import Target
from meshregistry.sources.zookeeper.session.link import Link
from meshregistry.sources.zookeeper.session.options import SessionOptions, TlsFiles


class Unanswered(ConnectionLoss):
    """The server took the connection and closed it instead of greeting."""


async def dial(
    target: Target, options: SessionOptions, ticket: Ticket, make: Callable[[], Link]
) -> tuple[Link, Welcome]:
    """Connect to a server, show the ticket, and return the connection with what the server said.

    TCP, TLS and greeting share one timeout. Raises Unanswered, SourceUnavailable or ProtocolFault; then, and when it
    is cancelled, nothing stays open.
    """
    links: list[Link] = []

    def remembered() -> Link:
        links.append(make())
        return links[-1]

    try:
        async with asyncio.timeout(options.greeting_timeout_s):
            link = await _open(target, options, remembered)
            welcome = read_welcome(await link.greet(pack_greeting(ticket, options.session_timeout_s)))
            links.clear()
            return link, welcome
    except TimeoutError as error:
        raise SourceUnavailable(f"{target}: no greeting within {options.greeting_timeout_s:g} s") from error
    except ConnectionLoss as error:
        raise Unanswered(f"{error}, without a greeting") from error
    except ProtocolFault as error:
        raise ProtocolFault(f"{target}: {error}") from error
    except OSError as error:
        raise SourceUnavailable(f"{target}: {error}") from error
    finally:
        for unused in links:
            unused.abort("given up")


async def _open(target: Target, options: SessionOptions, make: Callable[[], Link]) -> Link:
    loop = asyncio.get_running_loop()
    if options.tls is None:
        _, link = await loop.create_connection(make, target.address, target.host.port)
        return link
    context = await asyncio.to_thread(load_context, options.tls)
    name = options.tls.server_name or target.host.name
    _, link = await loop.create_connection(make, target.address, target.host.port, ssl=context, server_hostname=name)
    return link


def load_context(files: TlsFiles) -> ssl.SSLContext:
    """Read the files. Raises OSError, of which ssl.SSLError is a kind."""
    context = ssl.create_default_context(cafile=files.ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate:
        context.load_cert_chain(files.certificate, files.key or None, password="")
    return context
