"""What a reading of a scope gives, and what is remembered of it so that equal bytes are not decoded again."""

from collections.abc import Mapping
from typing import NamedTuple

from meshregistry.model.instance import Instance
from meshregistry.sources.nacos.instances import Harvest


class Reading(NamedTuple):
    """One service whose bytes differ from those remembered."""

    harvest: Harvest | None
    """None when a second look showed the content to be as published."""

    item_digest: int = 0
    """Hash of its raw item in the bulk listing; 0 when not read there."""

    list_digest: int = 0
    """Hash of its own instance list; 0 when not read."""

    suspect: bool = False
    """Whether the bulk listing shows unhealthy instances, so that its own list must be asked."""


class Listing(NamedTuple):
    """An authoritative listing of one scope: every name, and the services that differ from what is remembered."""

    names: frozenset[str]
    fresh: Mapping[str, Reading]
    unread: Mapping[str, str]
    """Services that are listed but could not be read, and why."""

    observed_at: float
    unchanged: int
    """Bodies skipped by their hash."""

    nameless: int = 0
    """With any of these the listing cannot say that a service is gone."""

    started_at: float = 0.0
    """Monotonic seconds at which the listing was asked for: a push that came later is newer than it."""


class Known(NamedTuple):
    """One service as published."""

    item_digest: int
    list_digest: int
    content_digest: int
    instances: tuple[Instance, ...]
    bad: int
    suspect: bool
    held: int = 0
    """Instances that the registry no longer shows, kept because it was away a moment ago."""

    pushed_at: float = 0.0
    """Monotonic seconds at which the content was pushed; 0 when it was listed."""


class Memory:
    """The published state of one scope. Owned by its ScopeReader.

    A listing's changes are made on a draft, in slices; once they are published the draft is adopted in one step,
    because half a change would take old bytes for what is published.
    """

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}

    def draft(self) -> "Memory":
        """Return a copy to be changed."""
        draft = Memory()
        draft.known = dict(self.known)
        return draft

    def adopt(self, draft: "Memory") -> None:
        """Become the draft."""
        self.known = draft.known

    def put(self, name: str, known: Known) -> None:
        """Remember a service as published."""
        self.known[name] = known

    def keep_only(self, names: frozenset[str]) -> None:
        """Forget services that are no longer listed."""
        for name in self.known.keys() - names:
            del self.known[name]

    def has_item(self, name: str, digest: int) -> bool:
        """Whether what is published of a service was read from these bytes of the bulk listing."""
        known = self.known.get(name)
        return known is not None and known.item_digest == digest
