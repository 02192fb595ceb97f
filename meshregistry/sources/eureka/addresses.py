"""The peers behind configured addresses: one each, or one for every address that DNS gives for the host."""

import asyncio
from urllib.parse import urlsplit

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.eureka.client import Node, strip_credentials
from meshregistry.sources.failures import displayed
from meshregistry.sources.resolving import Resolve


def configured_nodes(addresses: tuple[str, ...]) -> tuple[Node, ...]:
    """Return one node for each address."""
    return tuple(dict.fromkeys(Node(strip_credentials(address)) for address in addresses))


async def resolved_nodes(addresses: tuple[str, ...], resolve: Resolve, timeout_s: float) -> tuple[Node, ...]:
    """Return one node for each IP address of each host; a host that cannot be resolved in time is left out.

    Raises SourceUnavailable when no host can be. Cancelling it is safe.
    """
    nodes: list[Node] = []
    errors: list[str] = []
    for address in addresses:
        host = urlsplit(address).hostname or ""
        try:
            async with asyncio.timeout(timeout_s):
                nodes += [Node(strip_credentials(address), ip) for ip in await resolve(host)]
        except TimeoutError:
            errors.append(f"{displayed(address)}: no answer in {timeout_s:g} s")
        except (OSError, UnicodeError) as error:
            errors.append(f"{displayed(address)}: {error}")
    if not nodes:
        raise SourceUnavailable(f"no address can be resolved: {'; '.join(errors)}")
    return tuple(dict.fromkeys(nodes))
