"""What several of these tests start from."""

from collections.abc import AsyncIterator

import pytest

from meshregistry.sim.nacos.views import Dialect
from tests.support.nacos_rig import SimRig


@pytest.fixture
async def registry(anyio_backend: object) -> AsyncIterator[SimRig]:
    """A simulated Nacos with twenty services of one instance; which registry it is makes no difference here."""
    rig = SimRig(Dialect.V2, auth=False)
    await rig.start()
    for number in range(1, 21):
        await rig.register(f"service-{number}", f"10.0.0.{number}", 8080, metadata={"version": "v1"})
    yield rig
    await rig.stop()
