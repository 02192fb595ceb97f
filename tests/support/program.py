"""A real program beside the tests, with its children in a process group of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.registries import RegistryUnavailable, last_lines

READY = "FIXTURE READY"
"""What our own programs print when they serve."""

_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.05


class Program:
    """Owner of the process; may be started again after its end. Blocking: call it off the loop."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What it printed since its start."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """End it the polite way by SIGTERM, or by SIGKILL if that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL, without a word."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        # Threads that run elsewhere stop a moment later, and could answer once more.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT; nothing if it does not run."""
        if self._process is not None and self.running:
            os.killpg(self._process.pid, signal.SIGCONT)

    def wait_for(self, what: str, condition: Callable[[], bool], timeout_s: float) -> None:
        """Wait until a condition holds; kills it and raises RegistryUnavailable if it ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if not self.running or time.monotonic() > deadline:
                state = f"no {what} within {timeout_s:.0f} s" if self.running else f"it ended before its {what}"
                self.kill()
                raise RegistryUnavailable(f"{self.name}: {state}\n{last_lines(self.output)}")
            time.sleep(_POLL_S)

    def launch(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it without waiting for anything, with these variables beside our own."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def _end(self, first: signal.Signals) -> None:
        if self._process is None:
            return
        self.resume()
        for number in (first, signal.SIGKILL):
            if self.running:
                os.killpg(self._process.pid, number)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                continue
            break
        self._process = None
