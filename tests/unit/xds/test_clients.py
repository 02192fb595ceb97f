"""The table of clients."""

import pytest

from meshregistry.xds.clients import Clients, ConnectedStream, SlimeClient, SlimePush
from tests.support.ads_rig import MachineRig
from tests.support.ads_world import GATEWAY, SERVICE_ENTRY, make_resource, make_store

pytestmark = pytest.mark.anyio


def make_rig() -> MachineRig:
    """Return a machine that has not been asked yet."""
    return MachineRig("sotw", make_store(make_resource("a")))


async def test_table_shows_slimes_record_of_each_client() -> None:
    """Slime's `/meshregistry/clients`: what was sent last and acknowledged last, per type."""
    rig, clients = make_rig(), Clients()
    clients.add(ConnectedStream("7-abc", "10.0.0.1:5000", "sotw", rig.machine))
    assert {} == clients.slime(), "nobody knows yet who it is"
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.acks = False
    await rig.ask(GATEWAY)
    await rig.take()
    node_id = rig.machine.node.id
    expected = SlimeClient(
        ClientId=node_id,
        ConnId=f"{node_id}-7-abc",
        Addr="10.0.0.1:5000",
        PushStatus={
            SERVICE_ENTRY: SlimePush(PushVer="test.1", AckVer="test.1"),
            GATEWAY: SlimePush(PushVer="test.2", AckVer=""),
        },
    )
    assert {f"{node_id}-7-abc": expected} == clients.slime()


async def test_table_tells_what_waits() -> None:
    """A type that is due but held back says so."""
    rig, clients = MachineRig("delta", make_store(complete=False)), Clients()
    clients.add(ConnectedStream("1-a", "", "delta", rig.machine))
    await rig.ask(SERVICE_ENTRY, "a", "o/*")
    (status,) = clients.streams()
    kind = status.types[SERVICE_ENTRY]
    assert (True, False, 2, "", 0) == (kind.waiting, kind.wildcard, kind.names, kind.version_sent, kind.responses)


def test_two_streams_of_one_node_are_two_rows() -> None:
    """X63: closing the old one leaves the new one."""
    clients = Clients()
    for stream_id in ("1-a", "2-b"):
        clients.add(ConnectedStream(stream_id, "", "sotw", make_rig().machine))
    clients.remove("1-a")
    clients.remove("1-a")
    assert ["-2-b"] == [status.connection for status in clients.streams()]
    assert 1 == len(clients)
