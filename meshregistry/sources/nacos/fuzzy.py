"""The set of services that a fuzzy watch has told of; pure.

Source: Nacos `NamingFuzzyWatchSyncNotifier`, `NamingFuzzyWatchContextService`. A server tells of at most 500 services
of a pattern by default and drops the rest silently (3.1.0, measured), so the set must be compared with listings.
"""

from collections.abc import Iterable, Set

from meshregistry.sources.nacos import messages
from meshregistry.sources.nacos.messages import ServiceName
from meshregistry.sources.nacos.payload import Payload
from meshregistry.sources.nacos.protocol import FuzzyNews

_ADDED = "ADD_SERVICE"


def watch_request(namespace: str) -> Payload:
    """Return the request that watches every service of a namespace; the list must be there, if only empty."""
    return messages.request(
        "NamingFuzzyWatchRequest",
        initializing=True,
        namespace=namespace,
        groupKeyPattern=f"{namespace}>>*>>*",
        receivedGroupKeys=[],
        watchType="WATCH",
    )


class FuzzyWatch:
    """What a watch said on one connection. Owned by that connection's session."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.services: set[ServiceName] = set()
        self.finished = False
        self._suspects: frozenset[ServiceName] = frozenset()

    def take(self, news: FuzzyNews) -> list[ServiceName]:
        """Take a message; return the services that came.

        A service that went is only noted: notices may be late, and its subscription tells what is true.
        """
        added = []
        for context in news.changes:
            split = messages.split_service_key(context.service_key)
            if split is None or split[0] != self._namespace:
                continue
            if context.changed_type == _ADDED:
                self.services.add(split[1])
                added.append(split[1])
            else:
                self.services.discard(split[1])
        self.finished = self.finished or news.finished
        return added

    def find_untold(self, populated: Iterable[ServiceName], groups: Set[str]) -> frozenset[ServiceName]:
        """Return services of `groups` with instances in this listing and the one before, of which the watch never told.

        One listing is no proof: a notice takes a tenth of a second.
        """
        if not self.finished:
            return frozenset()
        missing = frozenset(populated) - self.services
        proven = missing & self._suspects
        self._suspects = frozenset(each for each in self._suspects if each.group not in groups) | missing
        return proven
