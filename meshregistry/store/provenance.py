"""What a world may claim to know of each source, and by which settings that was made.

A source is known once it has read all that it is configured to read, here or in the process whose world was restored.
What is served without it (after its `wait_time`, or on an operator's word) is half a world: a later process must wait
for the source again.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from typing import NamedTuple

from meshregistry.model.events import SourceSynced


class Made(NamedTuple):
    """Source → fingerprint of the settings that made what is there of it."""

    known: dict[str, str]
    partial: dict[str, str]
    """Of sources of which only a part was ever read."""


class Provenance:
    """Owner of the set of known sources, and of the settings of before a restart; owned by the reducer."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._former: dict[str, str] = {}

    @property
    def known(self) -> Set[str]:
        """The sources that have been read in whole, here or before."""
        return self._known

    def restore(self, sources: Iterable[str]) -> None:
        """Note that another process knew these sources."""
        self._known.update(sources)

    def expect(self, source: str, fingerprint: str) -> None:
        """Note that a source begins anew: until it is read, what is there was made by the settings until now.

        `fingerprint` is that of those, "" for none.
        """
        if fingerprint:
            self._former.setdefault(source, fingerprint)

    def confirm(self, synced: SourceSynced) -> None:
        """Note that a source has been read; a wait time that passed says nothing."""
        if synced.reason == "read":
            self._known.add(synced.source)
            self._former.pop(synced.source, None)

    def forget(self, sources: Iterable[str]) -> None:
        """Note that these sources are not read any more."""
        self._known.difference_update(sources)

    def tell(self, fingerprints: Mapping[str, str], contributing: Collection[str]) -> Made:
        """Return what made the world, of sources with these fingerprints now; some of which contribute something."""
        made_by = {source: self._former.get(source, each) for source, each in fingerprints.items()}
        return Made(
            {source: each for source, each in made_by.items() if source in self._known},
            {source: each for source, each in made_by.items() if source in contributing and source not in self._known},
        )
