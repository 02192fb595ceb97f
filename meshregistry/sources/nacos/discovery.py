"""How a connection learns which services there are: the ladder fuzzy watch → list polling → HTTP listing.

The rung is chosen anew on every connection. The HTTP listing is read at its own rhythm in any case: it is what a
fuzzy watch that drops services silently is compared with.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Set
from enum import StrEnum
from typing import TYPE_CHECKING

from meshregistry.errors import SourceAuthError, SourceError
from meshregistry.sources.nacos.fuzzy import FuzzyWatch, watch_request
from meshregistry.sources.nacos.messages import ConnectionLost, RequestRefused, ServiceName
from meshregistry.sources.nacos.protocol import FuzzyNews
from meshregistry.sources.nacos.session import LiveSession
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer

if TYPE_CHECKING:
    from meshregistry.sources.nacos.watch import WatchPlace

_log = logging.getLogger(__name__)

_FINISH_TIMEOUT_S = 30.0
_JITTER = 0.2
_SHOWN = 3
_NOTHING: frozenset[str] = frozenset()


class Rung(StrEnum):
    """Where the names of services come from between two listings."""

    FUZZY_WATCH = "fuzzy_watch"
    SERVICE_LIST = "service_list"
    HTTP_LISTING = "http_listing"


class Discovery:
    """Finds services on one connection. Owner of the rung and of what the fuzzy watch told."""

    def __init__(
        self,
        place: "WatchPlace",
        live: LiveSession,
        groups: Callable[[], Set[str]],
        found: Callable[[Iterable[ServiceName]], None],
        clock: Clock,
    ) -> None:
        self.rung = Rung.HTTP_LISTING  # until the connection has shown what it can do
        self.stepped_down: str | None = None
        """Why a higher rung is not in use."""

        self._place = place
        self._live = live
        self._groups = groups
        self._found = found
        self._clock = clock
        self._fuzzy = FuzzyWatch(place.namespace)
        self._listed: dict[str, frozenset[str]] = {}
        self._down = asyncio.Event()

    async def run(self) -> None:
        """Look for services for ever. Raises ConnectionLost; cancelling it is safe."""
        if "fuzzyWatch" in self._live.session.abilities:
            await self._watch()
        while True:
            pause_s = self._place.options.list_period_s
            try:
                await self._list()
                self._step_to(Rung.SERVICE_LIST, self.stepped_down)
            except ConnectionLost:
                raise
            except SourceError as error:
                self._step_to(Rung.HTTP_LISTING, str(error))
                if isinstance(error, SourceAuthError | RequestRefused):
                    pause_s = max(pause_s, self._place.login_pause_s)
            await self._clock.sleep(pause_s * (1 - _JITTER * self._clock.dice()))

    def hear(self, news: FuzzyNews) -> None:
        """Take what the fuzzy watch says."""
        self._found(self._fuzzy.take(news))

    def compare(self, populated: Iterable[ServiceName], groups: frozenset[str]) -> None:
        """Compare the fuzzy watch with a complete listing of the groups, and leave it if it hides services."""
        if self.rung is not Rung.FUZZY_WATCH:
            return
        untold = self._fuzzy.find_untold(populated, groups)
        if untold:
            examples = ", ".join(f"{each.group}/{each.name}" for each in sorted(untold)[:_SHOWN])
            self.stepped_down = (
                f"the fuzzy watch hides {len(untold)} services ({examples}); "
                "raise nacos.naming.fuzzy.watch.max.pattern.match.service.count on the server"
            )
            self._down.set()

    async def _watch(self) -> None:
        """Use the fuzzy watch as long as it can be trusted."""
        self._step_to(Rung.FUZZY_WATCH, None)
        try:
            await self._live.ask(watch_request(self._place.namespace))
            try:
                async with asyncio.timeout(_FINISH_TIMEOUT_S):
                    await self._down.wait()
            except TimeoutError:
                if self._fuzzy.finished:
                    await self._down.wait()
                else:
                    self.stepped_down = "the fuzzy watch did not finish its first listing"
        except ConnectionLost:
            raise
        except SourceError as error:
            self.stepped_down = str(error)

    async def _list(self) -> None:
        groups = sorted(self._groups())
        # A group that comes back must not be compared with what it was.
        self._listed = {group: self._listed.get(group, _NOTHING) for group in groups}
        for group in groups:
            names = await self._live.names(self._place.namespace, group, self._place.page_size)
            listed = self._listed[group]
            if names is listed:
                continue
            slicer = Slicer()
            for name in names - listed:
                self._found((ServiceName(group, name),))
                await slicer.breathe()
            self._listed[group] = names

    def _step_to(self, rung: Rung, why: str | None) -> None:
        if rung is not self.rung or why != self.stepped_down:
            level = logging.WARNING if why else logging.INFO
            _log.log(level, "push.rung source=nacos scope=%s rung=%s why=%s", self._place.label, rung, why or "")
        self.rung = rung
        self.stepped_down = why
