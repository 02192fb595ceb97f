"""`meshregistry admin`: what it prints and how it exits."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meshregistry.cli import main
from tests.support.admin_rig import AdminRig, short_folder
from tests.support.guarded_world import fleet

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


async def run(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["admin", *(str(argument) for argument in arguments)])


async def test_a_hold_is_listed_and_accepted(folder: Path) -> None:
    async with AdminRig(folder).running() as rig:
        await rig.world.show(fleet(10, 10))
        await rig.world.show(fleet(5, 10))
        await rig.world.confirm_for(60)

        listed = await run("--socket", rig.path, "holds")
        hold = rig.world.hold()
        accepted = await run("--socket", rig.path, "--by", "ann", "accept", hold)

    assert [
        f"hold {hold}  mass  nacos/public/DEFAULT_GROUP",
        "  100 endpoints before, 50 named by the registry now, 50 only held",
        "  held for 60 s, confirmed for 60 s",
        f"  hosts {', '.join(f's{number}.nacos.svc.cluster.local' for number in range(5, 10))}",
        "nothing is served before it has been read: nacos",
        "nothing is served before it has been read: zookeeper",
    ] == listed.stdout.splitlines()
    assert (0, f"accepted hold {hold}: 50 endpoints of nacos/public/DEFAULT_GROUP go\n") == (
        accepted.exit_code,
        accepted.stdout,
    )
    assert rig.decisions[0].by.startswith("ann (uid ")


async def test_what_was_done_and_not_saved_is_warned_of(folder: Path) -> None:
    async with AdminRig(folder).running() as rig:
        rig.unsaved = "NOT SAVED: the disk is full"
        told = await run("--socket", rig.path, "freeze", "everything")
        tools = await run("--socket", rig.path, "--json", "thaw", "everything")

    assert (0, "frozen: everything\n", "warning: NOT SAVED: the disk is full\n") == (
        told.exit_code,
        told.stdout,
        told.stderr,
    )
    assert '"warning":"NOT SAVED: the disk is full"' in tools.stdout


async def test_what_is_stale_is_listed(folder: Path) -> None:
    async with AdminRig(folder).running() as rig:
        rig.stale = ("stale as of 2023-11-14T22:13:20+00:00: nacos", "served without having been read in whole: eureka")
        told = await run("--socket", rig.path, "holds")
        tools = await run("--socket", rig.path, "--json", "holds")

    assert [*rig.stale] == told.stdout.splitlines()[-2:]
    assert [*rig.stale] == json.loads(tools.stdout)["stale"]


async def test_tools_get_json(folder: Path) -> None:
    async with AdminRig(folder).running() as rig:
        result = await run("--socket", rig.path, "--json", "read", "everything")

    assert '"done":"asked for a full reading: nacos, zookeeper"' in result.stdout


async def test_the_settings_say_where_the_socket_is(folder: Path) -> None:
    settings = folder / "settings.yaml"
    settings.write_text(f"data_dir: {folder}\n")
    async with AdminRig(folder).running():
        result = await run("--config", settings, "freeze", "nacos")

    assert (0, "frozen: nacos\n") == (result.exit_code, result.stdout)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("admin: {enabled: false}\ndata_dir: /x", "no admin socket: admin.enabled is off, or there is no data_dir"),
        ("profile: istio", "no admin socket"),
        ("admin: {enabeld: true}", "admin.enabeld"),
    ],
)
async def test_settings_without_a_socket_are_named(folder: Path, text: str, error: str) -> None:
    (folder / "settings.yaml").write_text(text)

    result = await run("--config", folder / "settings.yaml", "holds")

    assert (2, True) == (result.exit_code, error in result.stderr)


async def test_faults_exit_with_1_and_say_what_to_do(folder: Path) -> None:
    absent = await run("--socket", folder / "none.sock", "holds")
    async with AdminRig(folder).running() as rig:
        unknown = await run("--socket", rig.path, "accept", "7")

    assert (1, 1) == (absent.exit_code, unknown.exit_code)
    assert f"error: there is no socket {folder / 'none.sock'}: is the service running" in absent.stderr
    assert "error: there is no hold 7\n" == unknown.stderr


async def test_a_socket_whose_service_has_ended_is_said_to_be_so(folder: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "admin.sock"))

    result = await run("--socket", folder / "admin.sock", "holds")

    assert (1, True) == (result.exit_code, "the service that made it has ended" in result.stderr)


@pytest.mark.parametrize("arguments", [["holds"], ["--socket", "a", "--config", "b", "holds"]])
async def test_exactly_one_place_must_be_said(arguments: list[str]) -> None:
    result = await run(*arguments)

    assert (2, True) == (result.exit_code, "either --socket or --config" in result.stderr)
