"""A running Eureka source in a test, and what its updates add up to."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from meshregistry.sources.eureka import EurekaOptions, EurekaServerOptions, EurekaSource, HoldOptions, Mode
from meshregistry.sources.polling import PollOptions
from meshregistry.telemetry.metrics import Metrics
from tests.support.beside import beside
from tests.support.eureka_live import EurekaRig, Row
from tests.support.eureka_model import Services
from tests.support.source_view import PolledView

PERIOD_S = 0.05
MODES = {"delta": Mode.DELTA, "polling": Mode.POLLING}
BELIEVED = HoldOptions(hold_s=0.0)
"""Every answer is believed at once: tests of what a registry shows do not wait."""


class EurekaView(Services, PolledView):
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

    async def until_rows(self, rows: Mapping[str, list[Row]]) -> None:
        """Do as `until_services` for addresses and ports alone."""
        try:
            await self.until(lambda view: view.rows == rows)
        except TimeoutError:
            assert rows == self.rows


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
    async with beside(view.source.run(view)):
        yield view
