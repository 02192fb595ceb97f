"""A running Eureka source in a test, and what its updates add up to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from meshregistry.model.instance import Instance
from meshregistry.sources.eureka import EurekaOptions, EurekaServerOptions, EurekaSource, HoldOptions, Mode
from meshregistry.sources.polling import PollOptions
from meshregistry.telemetry.metrics import Metrics
from tests.support.eureka_live import EurekaRig, Row
from tests.support.eureka_model import Services

PERIOD_S = 0.05
TIMEOUT_S = 20.0
MODES = {"delta": Mode.DELTA, "polling": Mode.POLLING}
BELIEVED = HoldOptions(hold_s=0.0)
"""Every answer is believed at once: tests of what a registry shows do not wait."""


class EurekaView(Services):
    """The services as published, beside the source that does so."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics = Metrics()
        self.source: EurekaSource

    @property
    def page(self) -> Mapping[str, object]:
        """The first registry on the status page."""
        return self.source.registries()[0]

    @property
    def rows(self) -> dict[str, list[Row]]:
        """Address and port of every instance, by application."""
        return {
            name: sorted((each.address, each.port) for each in instances) for name, instances in self.services.items()
        }

    def readings(self, *, failed: bool = False) -> float:
        """How many readings ended, well or badly."""
        labels = {"source": "eureka", "status": "false" if failed else "true"}
        return self.metrics.registry.get_sample_value("meshregistry_pollings_count", labels) or 0.0

    async def until(self, condition: Callable[["EurekaView"], bool]) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition(self):  # noqa: ASYNC110 - metrics and the status page have no event to wait for
                await asyncio.sleep(0.01)

    async def until_services(self, services: Mapping[str, tuple[Instance, ...]]) -> None:
        """Wait until exactly these services are there; on time-out the comparison is the failure."""
        try:
            await self.until(lambda view: view.services == services)
        except TimeoutError:
            assert services == self.services

    async def until_rows(self, rows: Mapping[str, list[Row]]) -> None:
        """The same for addresses and ports alone."""
        try:
            await self.until(lambda view: view.rows == rows)
        except TimeoutError:
            assert rows == self.rows

    async def next_reading(self, count: int = 1, *, failed: bool = False) -> None:
        """Wait for readings that start after now."""
        wanted = self.readings(failed=failed) + count + 1
        await self.until(lambda view: view.readings(failed=failed) >= wanted)


def server_options(rig: EurekaRig, **changes: object) -> EurekaServerOptions:
    """Return the options that read a rig's registry."""
    fields: dict[str, object] = {
        "addresses": rig.addresses,
        "username": rig.username,
        "password": rig.password,
        **changes,
    }
    return EurekaServerOptions(**fields)  # type: ignore[arg-type]


@asynccontextmanager
async def reading(*servers: EurekaServerOptions, **changes: object) -> AsyncIterator[EurekaView]:
    """Run a source with a short period as long as the context is open."""
    polling = PollOptions(refresh_period_s=PERIOD_S, first_retry_s=PERIOD_S)
    fields: dict[str, object] = {
        "polling": polling,
        "delta_period_s": PERIOD_S,
        "request_timeout_s": 5.0,
        "hold": BELIEVED,
        **changes,
    }
    view = EurekaView()
    view.source = EurekaSource(EurekaOptions(servers=servers, **fields), view.metrics)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(view.source.run(view))
        yield view
        task.cancel()
