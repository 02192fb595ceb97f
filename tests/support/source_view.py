"""A source that runs in a test, and how the test waits for what it publishes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Self

from meshregistry.model.events import Source
from meshregistry.model.instance import Instance
from meshregistry.telemetry.metrics import Metrics

TIMEOUT_S = 20.0


class PolledView:
    """The part of a sink that waits: for what its polled source has published, and for further readings."""

    services: dict[str, tuple[Instance, ...]]
    source: Source
    metrics: Metrics

    def readings(self, *, failed: bool = False) -> float:
        """How many readings ended, well or badly."""
        labels = {"source": self.source.name, "status": "false" if failed else "true"}
        return self.metrics.registry.get_sample_value("meshregistry_pollings_count", labels) or 0.0

    async def until(self, condition: Callable[[Self], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):  # noqa: ASYNC110 - metrics and the status page have no event to wait for
                await asyncio.sleep(0.01)

    async def until_services(self, services: Mapping[str, tuple[Instance, ...]]) -> None:
        """Wait until exactly these services are there; on time-out the comparison is the failure."""
        try:
            await self.until(lambda view: view.services == services)
        except TimeoutError:
            assert services == self.services

    async def next_reading(self, count: int = 1, *, failed: bool = False) -> None:
        """Wait for readings that start after now."""
        wanted = self.readings(failed=failed) + count + 1
        await self.until(lambda view: view.readings(failed=failed) >= wanted)
