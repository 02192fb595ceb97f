"""Both sides of `meshregistry diff`: read, from wherever they are, and compared."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from meshregistry.comparison.difference import Comparison, compare, confirm
from meshregistry.comparison.fetch import PagePlace, fetch_page, shown_target
from meshregistry.comparison.page import read_page
from meshregistry.reload import open_settings
from meshregistry.settings.secrets import list_secrets
from meshregistry.shadow import shadow_world
from meshregistry.telemetry.logs import conceal_in_tracebacks, configure_logs

ReadPage = Callable[[], Awaitable[bytes]]


class DiffOptions(NamedTuple):
    """What the command line says; times in seconds."""

    against: str
    ours: str
    config: Path | None
    token: str
    against_token: str
    timeout_s: float
    wait_s: float
    confirm_s: float


async def compare_sides(options: DiffOptions, environ: Mapping[str, str]) -> Comparison:
    """Return what differs. Raises PageError and SettingsError, in groups. Cancelling is safe."""
    async with _open_ours(options, environ) as read_ours:
        found = await _compare_once(options, read_ours)
        if options.confirm_s and found.differences:
            await asyncio.sleep(options.confirm_s)
            found = confirm(found, await _compare_once(options, read_ours))
    return found


async def _compare_once(options: DiffOptions, read_ours: ReadPage) -> Comparison:
    """Read both sides at the same time, then compare. Raises ExceptionGroup of what is wrong with either."""
    place = PagePlace(options.against, options.against_token, options.timeout_s)
    bodies = await asyncio.gather(fetch_page(place), read_ours(), return_exceptions=True)
    failures = [body for body in bodies if isinstance(body, BaseException)]
    if failures:
        raise BaseExceptionGroup("pages", failures)
    there, ours = (body for body in bodies if isinstance(body, bytes))
    return compare(read_page(there, shown_target(options.against)), read_page(ours, shown_target(options.ours)))


@asynccontextmanager
async def _open_ours(options: DiffOptions, environ: Mapping[str, str]) -> AsyncIterator[ReadPage]:
    if options.config is None:
        place = PagePlace(options.ours, options.token, options.timeout_s)
        yield lambda: fetch_page(place)
        return
    configure_logs(level="error", as_json=False)
    settings = open_settings(options.config, environ).loaded.settings
    conceal_in_tracebacks([*list_secrets(settings), options.token, options.against_token])
    async with shadow_world(settings, options.wait_s) as render:

        async def read() -> bytes:
            return render()

        yield read
