"""How a task waits for grpclib: told of a lost connection, and still ended by whoever owns it.

grpclib tells a waiting task that its connection is lost by cancelling it, and puts its own error in the place of the
CancelledError. A cancellation from outside at the same moment goes the same way and is lost, and grpclib's own is
never taken back (`Task.uncancel`), so that every task group the task opens later takes itself for cancelled.
"""

import asyncio
from types import TracebackType

from grpclib.utils import Wrapper


class FairWrapper(Wrapper):
    """grpclib's wrapper, but a cancellation from outside goes before the loss of the connection."""

    def __init__(self) -> None:
        super().__init__()
        self._entered: dict[asyncio.Task[object], int] = {}
        self._ours: dict[asyncio.Task[object], int] = {}

    def __enter__(self) -> None:
        """Begin to wait; raises the loss at once if the connection is lost already."""
        super().__enter__()
        task = _this_task()
        self._entered[task] = task.cancelling()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """End the wait: an outer cancellation goes on its way, otherwise the loss of the connection is raised."""
        task = _this_task()
        for _ in range(self._ours.pop(task, 0)):
            task.uncancel()
        if task.cancelling() > self._entered.pop(task) and exc_type is asyncio.CancelledError:
            self._tasks.discard(task)
            return
        super().__exit__(exc_type, exc_val, exc_tb)

    def cancel(self, error: Exception) -> None:
        """Wake every waiting task with the error, and remember that it was us."""
        for task in self._tasks:
            self._ours[task] = self._ours.get(task, 0) + 1
        super().cancel(error)


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise AssertionError("grpclib waits in tasks only")
    return task
