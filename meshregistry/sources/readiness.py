"""When a source may say that it has read everything it is configured to read."""

import logging

from meshregistry.model.events import Sink, SourceSynced
from meshregistry.sources.polling import Clock
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)


class Readiness:
    """Publishes SourceSynced when every part has been read, and before that when the wait time has passed; each once.

    Owner of the set of parts that are still unread; a part is whatever the source counts by.
    """

    def __init__(self, source: str, parts: frozenset[object], metrics: Metrics, clock: Clock) -> None:
        self._source = source
        self._missing = set(parts)
        self._metrics = metrics
        self._clock = clock
        self._created_at = clock.now()
        self._told: set[str] = set()

    async def note_read(self, part: object, sink: Sink) -> None:
        """Note that a part has been read and its updates published; tells the sink after the last part."""
        self._missing.discard(part)
        if not self._missing:
            await self._tell("read", sink)

    async def give_up_after(self, wait_time_s: float, sink: Sink) -> None:
        """Tell the sink after `wait_time_s` even if parts are missing; 0 waits for ever (Slime's WaitTime)."""
        if wait_time_s > 0:
            await self._clock.sleep(wait_time_s)
            await self._tell("wait_time", sink)

    async def _tell(self, reason: str, sink: Sink) -> None:
        if reason in self._told or "read" in self._told:
            return
        is_first = not self._told
        self._told.add(reason)
        elapsed = self._clock.now() - self._created_at
        _log.info("source.synced source=%s reason=%s after_s=%.2f", self._source, reason, elapsed)
        if is_first:
            self._metrics.ready_time.labels(self._source).observe(elapsed)
        await sink.publish(SourceSynced(self._source, reason))
