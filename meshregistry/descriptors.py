"""How many files and sockets the process may have open: as many as the system lets it, and whether that is enough."""

import logging
import resource

from meshregistry.settings.root import Settings
from meshregistry.wiring import ads_listeners, http_options

_log = logging.getLogger(__name__)

_OTHERS = 200
"""What is open besides clients' connections: registries, siblings, logs, files."""


def raise_limit(settings: Settings) -> None:
    """Raise the soft limit of open files to the hard one, and warn of one that the settings' limits need more than.

    Most systems start a process with 1024, fewer than the connections that one ADS listener takes: beyond it neither
    a client nor a registry would get one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError) as error:  # macOS has a limit below its "unlimited"
            _log.warning("app.limit_not_raised soft=%d hard=%d error=%r", soft, hard, str(error))
    needed = count_needed(settings)
    if soft != resource.RLIM_INFINITY and soft < needed:
        _log.warning("app.few_files limit=%d needed=%d", soft, needed)


def count_needed(settings: Settings) -> int:
    """Return how many descriptors the process has open when every limit of connections is reached."""
    ads = () if settings.shadow else ads_listeners(settings.mcp)
    http = http_options(settings)
    pages = [address for address in (http.aux_addr, http.http_server_addr) if address]
    clients = sum(listener.limits.max_connections for listener in ads) + len(pages) * http.limits.connections
    return clients + settings.admin.max_connections + _OTHERS
