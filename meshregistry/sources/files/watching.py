"""When to look at a folder again: as soon as the system tells of a change, and from time to time anyway."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from watchfiles import awatch
from watchfiles.main import FileChange

from meshregistry.model.rejects import print_subject

_log = logging.getLogger(__name__)

_BURST_MS = 500
"""Changes in quick succession count as one for at most so long."""

_STEP_MS = 50

Identity = tuple[int, int] | None


async def watch_folder(folder: Path, period_s: float, *, recursive: bool = False) -> AsyncGenerator[None, None]:
    """Yield when something in a folder may have changed, at the latest every `period_s`; for ever.

    Where the system does not tell of changes (no such folder yet, network file systems, too many watches) the period
    alone counts. A folder that is replaced by another of its name is found at the next period. Close it with
    `aclosing`; cancelling is safe.
    """
    told = False
    while True:
        identity = _identify(folder)
        try:
            async with aclosing(_notices(folder, period_s, recursive=recursive)) as notices:
                async for _ in notices:
                    yield
                    if _identify(folder) != identity:
                        break
            told = False
        except* (OSError, RuntimeError) as errors:  # the latter: a file whose name is not UTF-8
            if not told:
                _log.warning("files.watch_failed folder=%s error=%s", folder, _describe(errors))
            told = True
            await asyncio.sleep(period_s)
            yield


def _notices(folder: Path, period_s: float, *, recursive: bool) -> AsyncGenerator[set[FileChange], None]:
    """Return what yields the changes of each burst, and nothing after each period without one. Raises OSError."""
    return awatch(
        folder,
        watch_filter=None,
        debounce=_BURST_MS,
        step=_STEP_MS,
        rust_timeout=max(1, int(period_s * 1000)),
        yield_on_timeout=True,
        recursive=recursive,
    )


def _describe(errors: BaseExceptionGroup[BaseException]) -> str:
    inner = errors.exceptions[0]
    return _describe(inner) if isinstance(inner, BaseExceptionGroup) else print_subject(str(inner))


def _identify(folder: Path) -> Identity:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
