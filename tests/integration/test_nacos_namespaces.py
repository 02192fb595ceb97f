"""Namespaces of simulated and real servers: found, named as they are shown, and kept apart by push and by polling.

The list of namespaces of 2.3.1 is asked at two console endpoints that stand in for the console module, which the
rebuild of that version lacks; they answer from the server's own namespaces.
"""

import asyncio
import uuid

import pytest

from meshregistry.sources.nacos import NacosScope
from meshregistry.sources.nacos.options import WatchOptions
from meshregistry.sources.polling import PollOptions
from tests.support.nacos_rig import NacosRig
from tests.support.nacos_view import PERIOD_S, Mode, View, is_subscribed, reading, server_options

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

RARELY_S = 3600.0
GROUPS = ("G-1", "G-2")

Places = dict[tuple[str, str, str], list[str]]
"""Namespace, group and service → its addresses."""

PUSHED: Mode = {"watch": WatchOptions(list_period_s=0.1), "resync_period_s": RARELY_S}
"""Once all namespaces are watched, only pushes tell."""


@pytest.fixture
async def twins(nacos_rig: NacosRig) -> tuple[str, str]:
    """Two namespaces, named otherwise than their ids, that hold services of equal names and groups."""
    twins = (f"{nacos_rig.namespace}-a", f"{nacos_rig.namespace}-b")
    for number, namespace in enumerate(twins):
        await nacos_rig.create_namespace(namespace, f"shown as {namespace}")
        for group in GROUPS:
            await nacos_rig.register("same", f"10.{number}.0.1", 80, group=group, namespace=namespace)
    return twins


def _expected(twins: tuple[str, str]) -> Places:
    return {
        (namespace, group, "same"): [f"10.{number}.0.1"] for number, namespace in enumerate(twins) for group in GROUPS
    }


def _known(view: View, namespaces: tuple[str, ...]) -> Places:
    """Return what is published of these namespaces: servers that are shared have others, too."""
    return {
        (key.scope.namespace, key.scope.group, key.name): [each.address for each in instances]
        for key, instances in view.contents.items()
        if key.scope.namespace in namespaces
    }


async def _until_known(view: View, namespaces: tuple[str, ...], wanted: Places) -> None:
    try:
        await view.until(lambda view: _known(view, namespaces) == wanted)
    except TimeoutError:
        assert wanted == _known(view, namespaces)


async def _until_pushed(view: View, namespaces: tuple[str, ...]) -> None:
    """Wait until every service of the namespaces is subscribed and the readings have become rare."""

    def is_up(view: View) -> bool:
        own = [side for side in view.namespaces if side["namespace"] in namespaces]
        return len(own) == len(namespaces) and all(map(is_subscribed, own))

    await view.until(is_up)
    readings = -1.0
    while readings != view.readings():
        readings = view.readings()
        await asyncio.sleep(4 * PERIOD_S)


async def test_equal_names_and_groups_of_two_namespaces_are_pushed_apart(
    nacos_rig: NacosRig, twins: tuple[str, str]
) -> None:
    first, second = twins
    scopes = tuple(NacosScope(namespace, group) for namespace in twins for group in GROUPS)
    expected = _expected(twins)
    async with reading(server_options(nacos_rig, scopes=scopes), **PUSHED) as view:
        await _until_known(view, twins, expected)
        await _until_pushed(view, twins)
        readings = view.readings()

        await nacos_rig.register("same", "10.1.0.9", 80, group="G-2", namespace=second)
        expected[second, "G-2", "same"].append("10.1.0.9")
        await _until_known(view, twins, expected)
        await nacos_rig.register("late", "10.0.0.9", 80, group="G-1", namespace=first)
        expected[first, "G-1", "late"] = ["10.0.0.9"]
        await _until_known(view, twins, expected)
        await nacos_rig.deregister("same", "10.0.0.1", 80, group="G-1", namespace=first)
        expected[first, "G-1", "same"] = []
        await _until_known(view, twins, expected)

        assert readings == view.readings()


@pytest.mark.parametrize("mode", [{}, PUSHED], ids=["polling", "pushed"])
async def test_every_namespace_and_group_is_found_and_one_that_comes_later(
    nacos_rig: NacosRig, twins: tuple[str, str], mode: Mode
) -> None:
    late = f"{nacos_rig.namespace}-{uuid.uuid4().hex[:4]}"
    expected = _expected(twins)
    options = {**mode, "resync_period_s": 4 * PERIOD_S}
    async with reading(server_options(nacos_rig, scopes=(), all_namespaces=True), **options) as view:
        await _until_known(view, (*twins, late), expected)

        await nacos_rig.create_namespace(late, f"shown as {late}")
        await nacos_rig.register("same", "10.2.0.1", 80, group="G-3", namespace=late)
        expected[late, "G-3", "same"] = ["10.2.0.1"]
        await _until_known(view, (*twins, late), expected)


async def test_a_namespace_is_found_by_the_name_it_is_shown_under(nacos_rig: NacosRig, twins: tuple[str, str]) -> None:
    first, second = twins
    scopes = (NacosScope(f"shown as {first}", "G-1"), NacosScope(second, "G-1"))
    once = PollOptions(refresh_period_s=RARELY_S)
    async with reading(server_options(nacos_rig, scopes=scopes), polling=once) as view:
        await view.until(lambda view: bool(view.synced))
        wanted = {(first, "G-1", "same"): ["10.0.0.1"], (second, "G-1", "same"): ["10.1.0.1"]}
        assert wanted == _known(view, (*twins, f"shown as {first}"))
