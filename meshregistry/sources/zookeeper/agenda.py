"""What is still to be read of one registry, in order: changes first, then what is only read to make sure.

Bound: so many changes may wait; when there are more, they are forgotten and everything is read again.
"""

import asyncio
import heapq
from collections.abc import Iterable
from enum import StrEnum

from meshregistry.sources.zookeeper.debounce import Debounce
from meshregistry.sources.zookeeper.layout import Task, Topic


class Cause(StrEnum):
    """Why everything is read."""

    CONNECTED = "connected"
    INTERVAL = "interval"
    CRON = "cron"
    OVERFLOW = "overflow"
    FAILURE = "failure"
    OPERATOR = "operator"


class Agenda:
    """Owner of the tasks of one registry. A task is never under way twice; what changes meanwhile is read again."""

    def __init__(self, limit: int, debounce: Debounce | None) -> None:
        self._limit = limit
        self._debounce = debounce
        self._changed: dict[Task, None] = {}
        self._checks: dict[Task, None] = {}
        self._unchecked: set[Task] = set()
        self._delayed: dict[Task, float] = {}
        self._postponed: set[Task] = set()
        """Those of the delayed tasks that a change has read at once."""

        self._deadlines: list[tuple[float, Task]] = []
        self._running: set[Task] = set()
        self._again: set[Task] = set()
        self._permits = asyncio.Semaphore(0)
        self._all_checked = asyncio.Event()
        self._delays = asyncio.Event()
        self._cause: Cause | None = None
        self._caused = asyncio.Event()

    def __len__(self) -> int:
        return len(self._changed) + len(self._delayed)

    def note_change(self, task: Task, now: float) -> None:
        """Have a task read because of a change; later if it changes too often."""
        if task in self._postponed:
            self._postponed.discard(task)
            del self._delayed[task]
        if task in self._changed or task in self._delayed or task in self._again:
            if self._debounce is not None:
                self._debounce.note(task, now)
            return
        delay_s = self._debounce.note(task, now) if self._debounce is not None else 0.0
        if len(self) >= self._limit:
            self._forget_changes()
            self.request_everything(Cause.OVERFLOW)
        elif delay_s > 0:
            self._delay(task, now + delay_s)
        else:
            self.add(task)

    def read_later(self, task: Task, at: float) -> None:
        """Have a task read at a time, unless something has it read before."""
        if not self.is_changed(task):
            self._postponed.add(task)
            self._delay(task, at)

    def add(self, task: Task) -> None:
        """Have a task read as soon as possible."""
        if task in self._running:
            self._again.add(task)
        elif task not in self._changed:
            self._changed[task] = None
            self._permits.release()

    def check(self, tasks: Iterable[Task]) -> None:
        """Have tasks read after all changes; `checked` waits for them."""
        for task in tasks:
            self._unchecked.add(task)
            if task not in self._changed and task not in self._running and task not in self._checks:
                self._checks[task] = None
                self._permits.release()
            elif task in self._running:
                self._again.add(task)
        if self._unchecked:
            self._all_checked.clear()
        else:
            self._all_checked.set()

    async def checked(self) -> None:
        """Wait until every task of `check` has been read since. Cancelling it is safe."""
        await self._all_checked.wait()

    async def take(self) -> tuple[Task, bool]:
        """Return the next task and whether a change asked for it; `done` must follow. Cancelling it is safe."""
        while True:
            await self._permits.acquire()
            if (changed := self.take_change()) is not None:
                return changed, True
            if self._checks:
                return self._start(next(iter(self._checks))), False

    def take_change(self) -> Task | None:
        """Return the next task that a change asks for; `done` must follow. None if there is none."""
        return self._start(next(iter(self._changed))) if self._changed else None

    async def take_checks(self, topic: Topic, most: int) -> list[Task]:
        """Return the next tasks of a topic that are read to make sure; `done` must follow for each. Does not wait.

        None while others wait for something to do. Cancelling it is safe.
        """
        tasks: list[Task] = []
        while len(tasks) < most and not self._permits.locked():
            task = next(iter(self._checks), None)
            if task is None or task.topic is not topic:
                break
            await self._permits.acquire()  # at once
            tasks.append(self._start(task))
        return tasks

    def _start(self, task: Task) -> Task:
        self._changed.pop(task, None)
        self._checks.pop(task, None)
        self._running.add(task)
        return task

    def done(self, task: Task, now: float) -> None:
        """Note the end of a reading, good or bad."""
        self._running.discard(task)
        if self._debounce is not None:
            self._debounce.note_read(task, now)
        if task in self._again:
            self._again.discard(task)
            self.add(task)
            return
        self._unchecked.discard(task)
        if not self._unchecked:
            self._all_checked.set()

    def is_changed(self, task: Task) -> bool:
        """Whether a change of the task is known that has not been read."""
        return task in self._changed or task in self._again or task in self._delayed

    def is_open(self, task: Task) -> bool:
        """Whether a change of the task is known that has not been read, or is being read."""
        return task in self._running or self.is_changed(task)

    def request_everything(self, cause: Cause) -> None:
        """Have everything read again."""
        self._cause = self._cause or cause
        self._caused.set()

    def withdraw_request(self) -> None:
        """Forget that everything has to be read: it is about to be."""
        self._cause = None
        self._caused.clear()

    async def everything_requested(self) -> Cause:
        """Wait until everything has to be read; returns why. Cancelling it is safe."""
        await self._caused.wait()
        self._caused.clear()
        cause, self._cause = self._cause, None
        return cause or Cause.FAILURE

    async def delayed(self) -> None:
        """Wait until there is a delayed task. Cancelling it is safe."""
        while not self._deadlines:
            self._delays.clear()
            await self._delays.wait()

    def next_delayed(self) -> float:
        """Return when the next delayed task is due; there must be one."""
        return self._deadlines[0][0]

    def release_delayed(self, now: float) -> None:
        """Have the delayed tasks read whose time has come."""
        while self._deadlines and self._deadlines[0][0] <= now:
            at, task = heapq.heappop(self._deadlines)
            if self._delayed.get(task) == at:
                del self._delayed[task]
                self._postponed.discard(task)
                self.add(task)

    def _forget_changes(self) -> None:
        """Forget what has changed, but for what `checked` waits for: its permits are there already."""
        self._checks.update((task, None) for task in self._changed if task in self._unchecked)
        self._changed.clear()
        self._delayed.clear()
        self._postponed.clear()
        self._deadlines.clear()

    def _delay(self, task: Task, at: float) -> None:
        self._delayed[task] = at
        heapq.heappush(self._deadlines, (at, task))
        self._delays.set()
