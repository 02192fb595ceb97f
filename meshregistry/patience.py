"""How long a restored world is kept back: what was registered since it was saved is not in it.

An istiod takes what is missing for deleted, so what was saved is served only when there is nothing better: a registry
cannot be read, or takes too long. Streams are open meanwhile and istiods keep what they hold.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable

from meshregistry.model.events import Sink, SourceSynced

_log = logging.getLogger(__name__)

_LOOK_S = 0.05


class Patience:
    """Ends the wait for sources whose part was restored.

    `pending` are the sources that have not been read yet, `is_failing` tells whether one cannot read a registry now.
    """

    def __init__(
        self,
        pending: Callable[[], Collection[str]],
        is_failing: Callable[[str], bool],
        limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pending = pending
        self._is_failing = is_failing
        self._limit_s = limit_s
        self._clock = clock

    async def end_for(self, restored: Iterable[str], sink: Sink) -> None:
        """Tell the sink of each restored source that it is no longer waited for; returns when none is. Cancelling is
        safe."""
        deadline = self._clock() + self._limit_s
        waiting = set(restored)
        while waiting := waiting & set(self._pending()):
            is_late = self._clock() >= deadline
            ended = {source for source in waiting if is_late or self._is_failing(source)}
            for source in sorted(ended):
                _log.info("restore.waits_no_more source=%s reason=%s", source, "late" if is_late else "failing")
                await sink.publish(SourceSynced(source, "restored"))
            waiting -= ended
            await asyncio.sleep(_LOOK_S)
