"""Faults of Meshregistry's own process and of the machine below it."""

import asyncio
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meshregistry.admin.protocol import Command
from meshregistry.store.holds import Cause
from tests.campaign.process import Meshregistry
from tests.campaign.registry import Registry
from tests.campaign.scene import Scene
from tests.support.service_process import served_by

STOPPED_S = 8.0
START_GOAL_S = 2.0
"""From the start to everything served out of the saved snapshot, on a machine that does nothing else."""

STEPPED, UNSAVED = "a stepped clock", "a disk without room"
DOUBTED = "the first word of every registry doubted"
"""What these faults see of their own effect."""

_DAY_S = 86_400.0
_STEP_TIMEOUT_S = 10.0
_SAVED_S = 1.0
"""Several times the interval of saving: what left is not in the file any more either."""

_FORGOTTEN = 9
_DOUBT_TIMEOUT_S = 30.0

_DISK_BYTES = 4_194_304
_SPARE_FILES = 2
_KNOCKS = 8
_KNOCK_S = 0.1


async def kill(scene: Scene) -> None:
    """SIGKILL in the midst of changes; started again."""
    await scene.change()
    await scene.process.kill()
    await scene.change()
    await scene.process.start()


async def kill_dark(scene: Scene) -> None:
    """SIGKILL, every registry down, started again: the same resources at the same versions, marked stale."""
    await _save(scene)
    before = await _rest(scene)
    await scene.process.kill()
    for registry in scene.registries:
        registry.shut()
    started = time.monotonic()
    await scene.process.start()
    after = await served_by(scene.process.ads)
    took_s, waited_s = time.monotonic() - started, scene.process.waited_s()
    scene.notes.append(
        f"kill -9 with every registry down: everything served {took_s:.1f} s later, of which others had the processor "
        f"for {waited_s:.1f} s"
    )
    if took_s - waited_s > START_GOAL_S:
        scene.objections.append(f"served {took_s - waited_s:.1f} s after the start, the goal is {START_GOAL_S:g} s")
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    scene.objections += [f"{name} is served otherwise" for name in names]
    _, ready = await scene.process.get("/meshregistry/ready")
    if "stale" not in ready:
        scene.objections.append(f"not said to be stale: {ready!r}")
    for registry in scene.registries:
        registry.calm()


async def kill_dark_forgetful(scene: Scene) -> None:
    """SIGKILL of it and of every registry; started in the dark, before registries that have forgotten some owners."""
    await _save(scene)
    everything = scene.owned()
    await scene.process.kill()
    for registry in scene.registries:
        registry.shut()
        await registry.kill()
    await scene.process.start()
    await asyncio.gather(*(_restart_forgetful(registry) for registry in scene.registries))
    for registry in scene.registries:
        registry.calm()
    doubted = await asyncio.gather(*(_remind(scene, registry) for registry in scene.registries))
    scene.seen[DOUBTED] += all(doubted) and everything <= scene.witness.held.keys()


async def pause(scene: Scene) -> None:
    """SIGSTOP for longer than the registries' sessions live, under change, then SIGCONT."""
    scene.process.send(signal.SIGSTOP)
    await scene.change()
    await asyncio.sleep(STOPPED_S)
    scene.process.send(signal.SIGCONT)


async def terminate(scene: Scene) -> None:
    """SIGTERM under change; started again."""
    changing = asyncio.ensure_future(scene.change())
    await scene.process.kill(signal.SIGTERM)
    await changing
    await scene.process.start()


async def clock_forward(scene: Scene) -> None:
    """The wall clock jumps a day ahead, is there through a restart, and jumps back."""
    await _step_clock(scene, _DAY_S)


async def clock_back(scene: Scene) -> None:
    """The wall clock jumps a day back, is there through a restart from a file of the future, and jumps ahead."""
    await _step_clock(scene, -_DAY_S)


async def disk_full(scene: Scene) -> None:
    """The volume of `data_dir` is full: nothing can be saved, all else goes on; killed meanwhile it starts again."""
    process = scene.process
    with small_volume(process.data_dir) as is_small:
        fill = _fill(process.data_dir) if is_small else _forbid_writing(process)
        with fill:
            await scene.change()
            await process.until(lambda status, body: "cannot be saved" in body)
            scene.seen[UNSAVED] += 1
            if is_small:
                await process.kill()
                await process.start()
                await process.until_fresh()
                await scene.change()
        await scene.change()
        await process.until_saved(max(scene.owned()).address)
        await process.until(lambda status, body: "cannot be saved" not in body)
        scene.objections.extend(
            f"left behind: {name}" for name in sorted(os.listdir(process.data_dir)) if "tmp" in name
        )


async def files_exhausted(scene: Scene) -> None:
    """No file and no socket can be opened any more while every registry has to be connected anew."""
    process = scene.process
    process.limit(resource.RLIMIT_NOFILE, process.open_files() + _SPARE_FILES)
    visitors: list[asyncio.StreamWriter] = []
    await scene.change()
    for _ in range(int(STOPPED_S / _KNOCK_S)):
        # What a cut frees is taken by whoever is quicker: a visitor, or the way back to a registry.
        visitors += await _knock(process.ads, _KNOCKS)
        for registry in scene.registries:
            for gate in registry.gates:
                gate.cut()
        await asyncio.sleep(_KNOCK_S)
    for visitor in visitors:
        visitor.transport.abort()
    process.limit(resource.RLIMIT_NOFILE, None)


async def _knock(port: int, times: int) -> list[asyncio.StreamWriter]:
    """Connect so many times; return what the kernel let through."""
    knocks = (asyncio.open_connection("127.0.0.1", port) for _ in range(times))
    opened = await asyncio.gather(*knocks, return_exceptions=True)
    return [each[1] for each in opened if not isinstance(each, BaseException)]


async def _step_clock(scene: Scene, seconds: float) -> None:
    scene.process.step_clock(seconds)
    await scene.change()
    await _see_clock(scene, seconds)
    await scene.process.kill()
    await scene.process.start()
    await scene.change()
    await scene.process.until_fresh()
    await _see_clock(scene, seconds)
    scene.process.step_clock(0.0)


async def _see_clock(scene: Scene, seconds: float) -> None:
    """Note that Meshregistry takes the time for another, by when it says to have saved."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_STEP_TIMEOUT_S):
            while not await _is_stepped(scene, seconds):  # noqa: ASYNC110 - another process saves
                await asyncio.sleep(0.1)
        scene.seen[STEPPED] += 1


async def _is_stepped(scene: Scene, seconds: float) -> bool:
    return abs(await scene.process.metric("saved_timestamp_seconds") - time.time() - seconds) < _DAY_S / 2


async def _save(scene: Scene) -> None:
    """Wait until everything that is registered is saved, and nothing else."""
    for endpoint in scene.owned():
        await scene.process.until_saved(endpoint.address)
    await asyncio.sleep(_SAVED_S)


async def _restart_forgetful(registry: Registry) -> None:
    """Start a registry that lost its memory, and have all but a few owners register again: not a mass."""
    await registry.start(empty=True)
    await registry.register_again(but=max(1, min(_FORGOTTEN, len(registry.owned) // 10)))


async def _remind(scene: Scene, registry: Registry) -> bool:
    """Wait until what a registry forgot is held in doubt, and half of that time; then have the owners register again.

    Returns whether it was.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_DOUBT_TIMEOUT_S):
            while not await _is_doubted(scene, registry):  # noqa: ASYNC110 - another process holds
                await asyncio.sleep(0.1)
        await asyncio.sleep(scene.guard_s / 2)
    is_doubted = await _is_doubted(scene, registry)
    await registry.register_again()
    return is_doubted


async def _is_doubted(scene: Scene, registry: Registry) -> bool:
    holds = (await scene.process.decide(Command.HOLDS)).holds
    return any(hold.cause == Cause.DOUBT and hold.scope.startswith(registry.kind) for hold in holds)


async def _rest(scene: Scene) -> dict[str, object]:
    """Return what is served once that does not change any more."""
    served = await served_by(scene.process.ads)
    while (again := await served_by(scene.process.ads)) != served:
        served = again
    return served


@contextmanager
def small_volume(path: Path) -> Iterator[bool]:
    """Put a small volume in a directory's place, with what is in it; False where only root could."""
    content = {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        yield False
        return
    try:
        for name, data in content.items():
            (path / name).write_bytes(data)
        yield True
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@contextmanager
def _fill(path: Path) -> Iterator[None]:
    """Leave no byte free on the volume of a directory."""
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield
    ballast.unlink()


@contextmanager
def _forbid_writing(process: Meshregistry) -> Iterator[None]:
    """Let no file of the process grow: without root, this is as near as one comes to a full disk."""
    process.limit(resource.RLIMIT_FSIZE, 0)
    yield
    process.limit(resource.RLIMIT_FSIZE, None)
