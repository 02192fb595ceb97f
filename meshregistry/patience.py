"""How long a restored world is kept back: what was registered since it was saved is not in it.

An istiod takes what is missing for deleted, so what was saved is served only when there is nothing better: a registry
cannot be read, is not even reached, or takes too long. Streams are open meanwhile and istiods keep what they hold.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable

import msgspec

from meshregistry.model.events import Sink, SourceSynced

_log = logging.getLogger(__name__)

_LOOK_S = 0.01
"""How exactly a wait ends, seconds: a source that is refused a connection fails within a few milliseconds."""


class PatienceOptions(msgspec.Struct, frozen=True):
    """How long to wait, seconds."""

    limit_s: float
    """For a source whose registries take connections."""

    contact_s: float
    """For the first of them to do so."""


class Patience:
    """Ends the wait for sources whose part was restored.

    `pending` are the sources that have not been read yet, `is_failing` tells whether one cannot read a registry now,
    `silent_for` how long the registries of one have been called in vain, seconds.
    """

    def __init__(
        self,
        pending: Callable[[], Collection[str]],
        is_failing: Callable[[str], bool],
        silent_for: Callable[[str], float],
        options: PatienceOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pending = pending
        self._is_failing = is_failing
        self._silent_for = silent_for
        self._options = options
        self._clock = clock

    async def end_for(self, restored: Iterable[str], sink: Sink) -> None:
        """Tell the sink of each restored source that it is no longer waited for; returns when none is. Cancelling is
        safe."""
        deadline = self._clock() + self._options.limit_s
        waiting = set(restored)
        while waiting := waiting & set(self._pending()):
            is_late = self._clock() >= deadline
            ended = {source: reason for source in sorted(waiting) if (reason := self._why_not(source, is_late))}
            for source, reason in ended.items():
                _log.info("restore.waits_no_more source=%s reason=%s", source, reason)
                await sink.publish(SourceSynced(source, "restored"))
            waiting -= ended.keys()
            await asyncio.sleep(_LOOK_S)

    def _why_not(self, source: str, is_late: bool) -> str:
        """Return why a source is waited for no longer, "" while it is."""
        if is_late:
            return "late"
        if self._is_failing(source):
            return "failing"
        return "unreached" if self._silent_for(source) >= self._options.contact_s else ""
