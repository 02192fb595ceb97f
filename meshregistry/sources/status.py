"""How the scopes of a source are doing: for the logs, the metrics and the status page."""

import logging

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError
from meshregistry.model.events import RegistryAway, Sink
from meshregistry.model.instance import Scope
from meshregistry.model.rejects import print_subject
from meshregistry.sources.polling import Clock
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)


def failure_reason(error: SourceError) -> str:
    """Return the word for metrics and logs: `auth`, `data` or `unavailable`."""
    if isinstance(error, SourceAuthError):
        return "auth"
    return "data" if isinstance(error, SourceDataError) else "unavailable"


class FirstWord:
    """Whether anything has been read of a scope yet. Tells, once, that a reading failed before that."""

    def __init__(self, scope: Scope, clock: Clock) -> None:
        self._scope = scope
        self._clock = clock
        self._is_over = False

    def note(self) -> None:
        """Note that something has been read."""
        self._is_over = True

    async def miss(self, sink: Sink) -> None:
        """Note that a reading failed. Cancelling it is safe: nothing was told."""
        if not self._is_over:
            await sink.publish(RegistryAway(self._scope, self._clock.now()))
            self._is_over = True


class ScopeStatus:
    """The health of one scope. Owned by whatever reads the scope; one log line per transition."""

    def __init__(self, scope: Scope, metrics: Metrics, clock: Clock, *, is_measured: bool = True) -> None:
        """`is_measured` False leaves the scope out of the metrics, failures aside."""
        self.scope = scope
        self._metrics = metrics
        self._is_measured = is_measured
        self._clock = clock
        self._created_at = clock.now()
        self._succeeded_at: float | None = None
        self._failure: str | None = None
        self.first_word = FirstWord(scope, clock)
        self.last_error: str | None = None

    @property
    def read_once(self) -> bool:
        """Whether the scope has been read at least once."""
        return self._succeeded_at is not None

    @property
    def healthy(self) -> bool:
        """Whether the latest reading succeeded; false before the first."""
        return self.read_once and self._failure is None

    @property
    def is_failing(self) -> bool:
        """Whether the latest reading failed; false before the first."""
        return self._failure is not None

    @property
    def last_success_age_s(self) -> float | None:
        """Seconds since the last reading that succeeded; None before the first."""
        return None if self._succeeded_at is None else self._clock.now() - self._succeeded_at

    def succeed(self) -> None:
        """Note an authoritative reading."""
        now = self._clock.now()
        if self._succeeded_at is None:
            _log.info("source.read source=%s scope=%s after_s=%.2f", *self._who(), now - self._created_at)
        elif self._failure is not None:
            _log.info("source.recovered source=%s scope=%s stale_s=%.1f", *self._who(), now - self._succeeded_at)
        self._succeeded_at, self._failure = now, None
        self.first_word.note()
        if self._is_measured:
            self._metrics.source_last_success.labels(*self._who()).set(self._clock.unix())
            self._metrics.source_failing.labels(*self._who()).set(0)

    def fail(self, error: SourceError) -> None:
        """Note a reading that failed; what is known of the scope stays."""
        reason = failure_reason(error)
        self.last_error = str(error)
        self._metrics.source_failures.labels(self.scope.source, reason).inc()
        if self._is_measured:
            self._metrics.source_failing.labels(*self._who()).set(1)
        if reason != self._failure:
            level = logging.ERROR if reason == "auth" else logging.WARNING
            _log.log(level, "source.lost source=%s scope=%s reason=%s error=%s", *self._who(), reason, error)
        self._failure = reason

    def tell_held(self, instances: int) -> None:
        """Measure what is kept of the scope although its registry does not show it."""
        if self._is_measured:
            self._metrics.source_held_instances.labels(*self._who()).set(instances)

    def forget(self) -> None:
        """Take the scope out of the metrics: it is not read any more."""
        self._metrics.forget_scope(*self._who())

    def _who(self) -> tuple[str, str]:
        return self.scope.source, print_subject(str(self.scope))
