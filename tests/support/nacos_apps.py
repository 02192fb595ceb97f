"""Applications that register themselves with a real Nacos: the official Python SDK, Spring Cloud Alibaba, Dubbo.

What they write into the registry was written by somebody else; no line here tells them what to register.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.program import READY, Program
from tests.support.registries import prepare

_START_TIMEOUT_S = 90.0

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


class NacosApp(Program):
    """One application; ended the polite way, it deregisters."""

    def __init__(self, command: Command, place: Place) -> None:
        super().__init__(place.name, place.folder.with_suffix(".log"))
        self.place = place
        self._command = command

    def start(self) -> None:
        """Start and wait for the ready line; raises RegistryUnavailable."""
        self.place.folder.mkdir(parents=True, exist_ok=True)
        self.launch(self._command(self.place))
        self.wait_for("ready line", lambda: READY in self.output, _START_TIMEOUT_S)
