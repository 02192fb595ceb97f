"""What stays although an authoritative answer no longer shows it: the time after an outage; pure.

A Nacos node that restarts has forgotten every ephemeral instance and answers, and pushes, before their owners have
registered again and before the other nodes have told it of theirs (`nacos.naming.data.warmup` is off by default).
Owners reconnect within 5 s and beat every 5 s; nodes send their data within 30 s.
"""

from collections.abc import Callable, Set
from typing import NamedTuple

from meshregistry.model.instance import Instance


class Kept(NamedTuple):
    """The instances to publish, and how many of them the registry did not show."""

    instances: tuple[Instance, ...]
    held: int


def keep(before: tuple[Instance, ...], now: tuple[Instance, ...]) -> Kept:
    """Return what the registry shows and beside it the instances it showed before, by address and port."""
    return join(now, find_missing(before, now))


def find_missing(
    before: tuple[Instance, ...], now: tuple[Instance, ...], disabled: Set[tuple[str, int]] = frozenset()
) -> tuple[Instance, ...]:
    """Return the instances at whose address and port the registry shows none any more, not even a disabled one."""
    shown = {(instance.address, instance.port) for instance in now} | disabled
    return tuple(instance for instance in before if (instance.address, instance.port) not in shown)


def join(now: tuple[Instance, ...], held: tuple[Instance, ...]) -> Kept:
    """Return what the registry shows together with what is held beside it."""
    return Kept(tuple(sorted([*now, *held])) if held else now, len(held))


class Settling:
    """Says whether a namespace may shrink. Owner of the time until which it may not."""

    def __init__(self, settle_s: float, now: Callable[[], float]) -> None:
        self.settle_s = settle_s
        self._now = now
        self._until = 0.0
        self._is_away = False

    @property
    def holds(self) -> bool:
        """Whether nothing may shrink now."""
        return self._is_away or self._now() < self._until

    def leave(self) -> None:
        """Note that the registry does not answer."""
        self._is_away = True

    def come_back(self) -> None:
        """Note an answer; the first after `leave` begins the time in which nothing shrinks."""
        if self._is_away:
            self.begin()

    def begin(self) -> None:
        """Note that what answers may not know everything yet: another node, or a new connection after a lost one."""
        self._is_away = False
        self._until = self._now() + self.settle_s
