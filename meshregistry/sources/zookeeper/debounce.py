"""When an interface that changes too often is read later. Pure.

Rules: Slime pkg/source/zookeeper/watching.go, WatchingDebounce.
"""

from dataclasses import dataclass

from meshregistry.sources.zookeeper.layout import Task
from meshregistry.sources.zookeeper.options import DebounceOptions

_MOST_REMEMBERED = 50_000


@dataclass(slots=True)
class _Pulse:
    read_at: float | None = None
    count: int = 0
    overflow: int = 0


class Debounce:
    """Owner of how often each task has changed lately; bounded, a full memory is cleared."""

    def __init__(self, options: DebounceOptions) -> None:
        self._options = options
        self._pulses: dict[Task, _Pulse] = {}

    def note(self, task: Task, now: float) -> float:
        """Note a change; return how long to wait before it is read, seconds.

        A change soon after the last reading counts, one long after it takes a count back. From `trigger_count` on
        there is a delay, which grows by itself with every further `trigger_count` of changes.
        """
        options, pulse = self._options, self._pulse(task)
        if pulse.read_at is not None and now - pulse.read_at < options.duration_s:
            pulse.overflow += pulse.count >= options.trigger_count
            pulse.count = min(pulse.count + 1, options.trigger_count)
        else:
            pulse.count, pulse.overflow = max(pulse.count - 1, 0), 0
        if options.trigger_count <= 0 or pulse.count < options.trigger_count:
            return 0.0
        return min(options.max_delay_s, options.delay_s * (1 + pulse.overflow // options.trigger_count))

    def note_read(self, task: Task, now: float) -> None:
        """Note that a task has been read."""
        self._pulse(task).read_at = now

    def _pulse(self, task: Task) -> _Pulse:
        pulse = self._pulses.get(task)
        if pulse is None:
            if len(self._pulses) >= _MOST_REMEMBERED:
                self._pulses.clear()
            pulse = self._pulses[task] = _Pulse()
        return pulse
