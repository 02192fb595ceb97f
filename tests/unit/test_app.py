"""The order of a start, where it is not that of a whole process."""

import asyncio
from pathlib import Path

import pytest

from meshregistry.app import App
from meshregistry.ledger import DecisionLedger
from meshregistry.persistence import FILE_NAME
from meshregistry.settings.load import load_settings
from tests.support.ports import free_ports
from tests.support.running_service import TIMEOUT_S

pytestmark = pytest.mark.anyio


async def test_a_stop_before_anything_was_decided_leaves_the_saved_snapshot_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a source that was switched off had is withdrawn by then, and what is served is not built without it."""
    (tmp_path / "entries").mkdir()
    (http,) = free_ports(1)
    text = (
        f"shadow: true\naux_addr: 127.0.0.1:{http}\ndata_dir: {tmp_path}/data\nrestore_patience: 0s\n"
        f"k8s_source: {{enabled: true, enable_config_file: true, config_path: {tmp_path}/entries}}\n"
    )
    stop = asyncio.Event()

    async def run(app: App) -> None:
        async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(app.run(stop))
            await app.wait_complete()
            stop.set()

    async def stop_here(*_: object) -> None:
        stop.set()
        await asyncio.Event().wait()

    await run(App(load_settings(text, {}).settings))
    saved = (tmp_path / "data" / FILE_NAME).read_bytes()
    stop.clear()
    monkeypatch.setattr(DecisionLedger, "begin", stop_here)

    await run(App(load_settings(text, {}).settings))

    assert saved == (tmp_path / "data" / FILE_NAME).read_bytes()
