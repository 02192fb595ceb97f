"""When what left the registry after an outage is believed: its owners may be back a little later. Pure.

Servers that were away for long have forgotten sessions, or forget them a session timeout after their return, while the
owners still wait to connect again: clients wait longer and longer between their attempts, and Dubbo for 5 s more before
it registers anew. Sessions that are not used for 4 s may end (two ticks of the default 2 s), none lasts longer than 40.
"""

import asyncio
from collections.abc import Callable, Mapping

from meshregistry.model.dubbo_key import PROTOCOL
from meshregistry.model.instance import Instance
from meshregistry.sources.zookeeper.layout import Task

_SHORTEST_SESSION_S = 4.0

Services = Mapping[str, tuple[Instance, ...]]


class Settling:
    """Owner of the time until which a registry may not shrink, and of what is to be read again then."""

    def __init__(self, settle_s: float, now: Callable[[], float]) -> None:
        self._settle_s = settle_s
        self._now = now
        self._away_since: float | None = None
        self._until = 0.0
        self._held: set[Task] = set()
        self._is_holding = asyncio.Event()

    @property
    def holds(self) -> bool:
        """Whether nothing may shrink now."""
        return self.left_s > 0

    @property
    def left_s(self) -> float:
        """For how many seconds nothing may shrink."""
        return self._until - self._now()

    def leave(self) -> None:
        """Note that the connection is lost."""
        if self._away_since is None:
            self._away_since = self._now()

    def come_back(self, *, new_session: bool) -> None:
        """Note a connection; after one that was lost for long enough nothing shrinks for a while."""
        if self._away_since is None:
            return
        away_s, self._away_since = self._now() - self._away_since, None
        if self._settle_s > 0 and (new_session or away_s >= _SHORTEST_SESSION_S):
            self._until = self._now() + self._settle_s

    def hold(self, task: Task) -> None:
        """Note that a reading would have taken something away."""
        self._held.add(task)
        self._is_holding.set()

    async def held(self) -> None:
        """Wait until something is held. Cancelling it is safe."""
        await self._is_holding.wait()

    def take_held(self) -> frozenset[Task]:
        """Return what has to be read again, and forget it."""
        held, self._held = self._held, set()
        self._is_holding.clear()
        return frozenset(held)


def keep_missing(
    before: Services, now: Services, wants: Callable[[str, Instance], bool] = lambda _service, _instance: True
) -> Services:
    """Return what there is now and, beside it, the wanted instances of which nothing is there any more.

    An instance is told by its service, scheme, address and port. The same object comes back if none is kept.
    """
    kept = dict(now)
    for name, instances in before.items():
        shown = set(map(_place, now.get(name, ())))
        missing = [each for each in instances if _place(each) not in shown and wants(name, each)]
        if missing:
            kept[name] = tuple(sorted([*now.get(name, ()), *missing]))
    return now if all(kept[name] is now.get(name) for name in kept) else kept


def _place(instance: Instance) -> tuple[str, int, str]:
    return instance.address, instance.port, dict(instance.metadata).get(PROTOCOL, "")
