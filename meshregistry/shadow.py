"""A world that is read without serving anybody: for `meshregistry diff --config`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from meshregistry.app import App
from meshregistry.comparison.page import PageError
from meshregistry.settings.replicas import Replicas
from meshregistry.settings.root import Settings


def close_ports(settings: Settings) -> Settings:
    """Return settings that read the same, open no port, and use and leave nothing on a disk or at a sibling."""
    closed = {
        "shadow": True,
        "aux_addr": "",
        "http_server_addr": "",
        "data_dir": "",
        "replicas": Replicas(),
        "admin": settings.admin.model_copy(update={"enabled": False}),
    }
    return settings.model_copy(update=closed)


@asynccontextmanager
async def shadow_world(settings: Settings, wait_s: float) -> AsyncIterator[Callable[[], bytes]]:
    """Read what the settings say for as long as the block lasts; yields what returns the `xdsCache` page of it.

    Raises PageError when after `wait_s` seconds not everything has been read, naming the sources. Cancelling is safe.
    """
    if not any(source.enabled for source in settings.sources().values()):
        raise PageError("no source is enabled: there is nothing to compare")
    app = App(close_ports(settings))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(stop))
        try:
            await _wait_complete(app, wait_s)
            yield app.render_cache
        finally:
            stop.set()


async def _wait_complete(app: App, wait_s: float) -> None:
    try:
        async with asyncio.timeout(wait_s):
            await app.wait_complete()
    except TimeoutError:
        pending = ", ".join(app.pending_sources)
        raise PageError(f"not read within {wait_s:g} s: {pending}") from None
