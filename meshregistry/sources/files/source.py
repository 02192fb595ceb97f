"""The files source: read a folder, publish what changed, look again (Slime's kubefs, LIB/pkg/config/source/kube)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

from meshregistry.errors import SourceUnavailable
from meshregistry.model.events import EntryListing, ScopeConfirmed, SidecarChanges, Sink
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.rejects import print_subject
from meshregistry.model.sidecar import ValidatedSidecar
from meshregistry.sources.files.catalogue import Catalogue, Contents
from meshregistry.sources.files.folder import list_files
from meshregistry.sources.files.options import FilesOptions
from meshregistry.sources.files.watching import watch_folder
from meshregistry.sources.polling import REAL_CLOCK, Clock
from meshregistry.sources.readiness import Readiness
from meshregistry.sources.status import ScopeStatus
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

SCOPE = Scope("files", "", "", "")

Notices = Callable[[], AsyncGenerator[None, None]]
"""Yields whenever the folder may have changed."""


class FilesSource:
    """A `model.events.Source`. Constructed without I/O."""

    def __init__(
        self, options: FilesOptions, metrics: Metrics, clock: Clock = REAL_CLOCK, notices: Notices | None = None
    ) -> None:
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._folder = Path(options.path)
        self._notices = notices or self._watch
        self._catalogue = Catalogue(options.reading)
        self._published: Contents | None = None
        self._faults: dict[str, str] = {}
        self._wanted = asyncio.Event()
        self._reading = asyncio.Lock()
        self._status = ScopeStatus(SCOPE, metrics, clock)
        self._readiness = Readiness(self.name, frozenset({SCOPE}), metrics, clock)

    @property
    def name(self) -> str:
        """Source kind."""
        return SCOPE.source

    async def run(self, sink: Sink) -> None:
        """Read the folder, and again after every notice until cancelled. Cancelling it is safe."""
        await self._read(sink)
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(self._read_when_asked(sink))
            async with aclosing(self._notices()) as notices:
                async for _ in notices:
                    if self._options.is_watched or not self._status.healthy:
                        await self._read(sink)
            asked.cancel()

    def read_again(self) -> None:
        """Have the folder read as soon as possible, watched or not."""
        self._wanted.set()

    async def _read_when_asked(self, sink: Sink) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._read(sink)

    @property
    def is_failing(self) -> bool:
        """Whether the latest attempt to read the files failed."""
        return self._status.is_failing

    def registries(self) -> list[dict[str, object]]:
        """Return what the status page shows: the folder and what is wrong with its files. Fit for JSON."""
        return [
            {
                "registry_id": "",
                "addresses": [self._options.path],
                "healthy": self._status.healthy,
                "last_success_age_s": self._status.last_success_age_s,
                "last_error": self._status.last_error,
                "files": self._catalogue.files,
                "refused": self._catalogue.faults,
            }
        ]

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield nothing: what people wrote are entries, not instances."""
        yield from ()

    def _watch(self) -> AsyncGenerator[None, None]:
        return watch_folder(self._folder, self._options.check_interval_s, recursive=True)

    async def _read(self, sink: Sink) -> None:
        async with self._reading:
            await self._look(sink)

    async def _look(self, sink: Sink) -> None:
        try:
            found = await asyncio.to_thread(list_files, self._folder, self._options.max_file_bytes)
        except SourceUnavailable as error:
            self._status.fail(error)
            await self._status.first_word.miss(sink)
            self._metrics.source_connection_status.labels(self.name).set(0)
            return
        observed_at = self._clock.now()
        contents = await asyncio.to_thread(self._catalogue.take, found)
        self._tell_faults()
        await self._publish(contents, observed_at, sink)
        self._status.succeed()
        self._metrics.source_connection_status.labels(self.name).set(1)
        await self._readiness.note_read(SCOPE, sink)

    async def _publish(self, contents: Contents, observed_at: float, sink: Sink) -> None:
        before = self._published
        if before == contents:
            await sink.publish(ScopeConfirmed(SCOPE, observed_at))
            return
        is_complete = contents.is_complete
        await sink.publish(EntryListing(SCOPE, contents.entries, contents.rejects, observed_at, is_complete))
        if before is None or (before.sidecars, before.is_complete) != (contents.sidecars, is_complete):
            sidecars = {name: ValidatedSidecar(sidecar) for name, sidecar in contents.sidecars.items()}
            await sink.publish(SidecarChanges(self.name, sidecars, is_complete=is_complete, observed_at=observed_at))
        self._published = contents

    def _tell_faults(self) -> None:
        """Log what is newly wrong, and what is mended."""
        faults = self._catalogue.faults
        for name, fault in faults.items():
            if self._faults.get(name) != fault:
                self._metrics.source_failures.labels(self.name, "data").inc()
                _log.error("files.refused file=%s fault=%s", print_subject(name), fault)
        for name in self._faults.keys() - faults.keys():
            _log.info("files.mended file=%s", print_subject(name))
        self._faults = faults
