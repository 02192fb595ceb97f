"""Applications that register themselves with a real Nacos: the official Python SDK, Spring Cloud Alibaba, Dubbo.

What they write into the registry was written by somebody else; no line here tells them what to register.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.registries import RegistryUnavailable, last_lines, prepare

_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.1

Command = Callable[["Place"], list[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an application runs and where it registers."""

    port: int
    folder: Path
    server_port: int
    name: str
    namespace: str

    def arguments(self) -> list[str]:
        """The first arguments of every start."""
        return [str(self.port), str(self.folder), str(self.server_port), self.name]


def spring(place: Place) -> list[str]:
    """Return the command of the Spring Cloud Alibaba application."""
    namespace = f"--spring.cloud.nacos.discovery.namespace={place.namespace}"
    return [str(prepare("nacos-app") / "start.sh"), *place.arguments(), namespace]


def dubbo(place: Place) -> list[str]:
    """Return the command of the Dubbo provider."""
    return [str(prepare("nacos-dubbo") / "start.sh"), *place.arguments(), place.namespace]


def sdk(place: Place) -> list[str]:
    """Return the command of the application on the official Python SDK."""
    return [sys.executable, "-m", "tests.support.nacos_sdk_app", *place.arguments(), place.namespace]


class NacosApp:
    """One application as a process; may be started again after its end. Blocking: call it off the loop."""

    def __init__(self, command: Command, place: Place) -> None:
        self.place = place
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._log = place.folder.with_suffix(".log")

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait for the ready line; raises RegistryUnavailable."""
        command = self._command(self.place)
        self.place.folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while b"FIXTURE READY" not in self._log.read_bytes():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                log_end = last_lines(self._log.read_text(errors="replace"))
                raise RegistryUnavailable(f"{self.place.name} did not start\n{log_end}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End it the polite way, on which it deregisters; SIGKILL if that takes too long."""
        self._end(signal.SIGTERM)
        self._end(signal.SIGKILL)

    def kill(self) -> None:
        """End it without a word."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or not self.running:
            return
        os.killpg(self._process.pid, number)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return
