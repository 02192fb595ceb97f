"""The saved snapshot as bytes: what was written is read, and nothing else ever is."""

import struct
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import anyio
import msgspec
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.store.guard import History
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.holds import Cause, HeldShrink, Hold
from meshregistry.store.saved import (
    FORMAT,
    MAGIC,
    Fault,
    SavedError,
    Terms,
    check_length,
    decode_world,
    encode_world,
    read_head,
)
from meshregistry.store.saved_parts import Part
from meshregistry.store.saved_writer import write_part
from meshregistry.store.world import World
from meshregistry.wire.resource import Resource, ResourceEncoder
from meshregistry.wire.sidecar import encode_sidecar
from tests.support.saved_worlds import POLICY, SCOPE, SYNCED, Process, instance, listing, terms_of

OTHER_SCOPE = Scope("nacos", "", "public", "BATCH")


async def _save_example() -> tuple[World, bytes]:
    process = Process()
    services = {f"service-{n}": [instance(n, version="v1"), instance(n + 1, 9090)] for n in range(1, 150)}
    await process.take(listing(**services), SYNCED)
    process.now += 5
    services.pop("service-7")
    services["service-8"] = [instance(9, 9090)]
    await process.take(listing(**services))
    for number in range(20, 80):
        services.pop(f"service-{number}")
    await process.take(listing(**services))
    await process.take(listing(OTHER_SCOPE, carts=[instance(200)]))
    await process.pass_time(100, listing(OTHER_SCOPE, carts=[instance(150, 9090), instance(200)]))
    process.now += 1
    return process.export(), process.save()


@cache
def example() -> tuple[World, bytes]:
    """A world with an idle port, an emptied service and more than one part, and its file."""
    return anyio.run(_save_example)


def fault_of(data: bytes) -> Fault:
    with pytest.raises(SavedError) as caught:
        decode_world(data, terms_of("nacos"))
    return caught.value.fault


def test_a_world_is_read_as_it_was_written() -> None:
    world, data = example()

    read = decode_world(data, terms_of("nacos"))

    assert dict(world.resources) == read.resources
    assert world.claims == read.claims
    assert world.histories == read.histories
    assert world.owners == read.owners
    assert world.holds == read.holds
    assert 1 == len(read.holds)
    assert world.hearsay == read.hearsay
    assert [2, 1, 2, 0] == [len(getattr(read.hearsay, name)) for name in read.hearsay.__struct_fields__]
    assert (world.as_of, world.taken_at, world.clock) == (read.as_of, read.taken_at, read.clock)
    assert world.fingerprints == read.fingerprints


def test_what_records_share_they_share_again() -> None:
    read = decode_world(example()[1], terms_of("nacos"))

    resource = read.resources["nacos/service-1.nacos"]
    (claim,) = next(claims for key, claims in read.claims.items() if key.name == "service-1")
    assert read.histories[resource.name].entry.endpoints is resource.entry.endpoints
    assert claim.endpoints is resource.entry.endpoints


def test_equal_worlds_are_equal_bytes() -> None:
    world, data = example()

    assert data == b"".join(encode_world(world))


def test_an_empty_world_is_a_world() -> None:
    world = World(1.0, 2.0, 3.0, {}, {}, {}, {}, {})

    assert world == decode_world(b"".join(encode_world(world)), terms_of())


def test_the_head_can_be_read_from_the_beginning_alone() -> None:
    world, data = example()

    head = read_head(data[:500])

    assert (world.as_of, len(world.resources), world.fingerprints) == (head.as_of, head.resources, head.fingerprints)


def test_texts_that_are_no_unicode_survive() -> None:
    text = "\ud800 broken é"
    endpoints = (WorkloadEntry(text, (("http", 1),), ((text, "x"),)),)
    entry = ServiceEntry("ns", text, (text,), (ServicePort(80, "HTTP", "http"),), endpoints)
    resource = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC)).encode(entry)
    history = History(entry, entry)
    world = World(0.0, 0.0, 0.0, {}, {resource.name: resource}, {}, {resource.name: history}, {resource.name: SCOPE})

    assert world == decode_world(b"".join(encode_world(world)), terms_of())


def test_sidecars_are_read_as_they_were_written() -> None:
    egress = (EgressListener(("*/a.dubbo", "*/b.dubbo")), EgressListener(("*/c.dubbo",), "DUBBO"))
    sidecar = Sidecar("dubbo", "shop.dubbo.generated", (("app", "shop"),), egress, (("istio.io/rev", "x"),))
    resource = encode_sidecar(sidecar, datetime(2100, 1, 1, tzinfo=UTC))
    world = World(0.0, 0.0, 0.0, {}, {}, {}, {}, {}, (), {resource.name: resource})

    assert world == decode_world(b"".join(encode_world(world)), terms_of())


def test_a_file_from_before_the_times_of_registries_were_saved_is_read() -> None:
    data = (Path(__file__).parent / "data" / "two_services_format1.meshregistry").read_bytes()

    read = decode_world(data, terms_of("nacos"))

    assert {"nacos/orders.nacos", "nacos/users.nacos"} == set(read.resources)
    assert Hearsay() == read.hearsay
    assert {Scope("nacos", "", "", "")} == set(read.owners.values())


def test_a_doubt_is_read_as_it_was_written() -> None:
    (claims,) = list(example()[0].claims.values())[:1]
    told = SCOPE, Cause.DOUBT, 3.0, 40, False, False, ((SCOPE, 1.5),), claims
    holds = (HeldShrink(2, *told, doubted=True), HeldShrink(3, *told), example()[0].holds[0])
    scopes = [Scope("zookeeper", "", "dubbo", f"com.shop.Service{number}") for number in range(1200)]
    hearsay = Hearsay(doubted=frozenset(scopes))
    world = World(0.0, 0.0, 0.0, {}, {}, {}, {}, {}, holds, hearsay=hearsay)

    read = decode_world(b"".join(encode_world(world)), terms_of("nacos"))

    assert (holds, hearsay) == (read.holds, read.hearsay)


def test_a_release_that_knows_no_doubt_takes_it_for_a_mass() -> None:
    doubt = HeldShrink(1, SCOPE, Cause.DOUBT, 3.0, 40, False, False, (), (), doubted=True)

    row = write_part(Part((), (), (), doubt)).hold

    assert row is not None
    assert ("mass", True) == (row.cause, row.is_doubt)


def test_more_than_a_part_is_read_in_the_order_in_which_it_was_written() -> None:
    scopes = [Scope("zookeeper", "", "dubbo", f"com.shop.Service{number}") for number in range(1200)]
    claims = {((f"10.0.0.{n}", 80), ServiceKey(scope, "a")): float(n) for n, scope in enumerate(reversed(scopes))}
    stated = {scope: float(number) for number, scope in enumerate(scopes)}
    hearsay = Hearsay({**stated, Scope("zookeeper", "", "dubbo", ""): 600.0}, {}, claims)
    world = World(0.0, 0.0, 0.0, {}, {}, {}, {}, {}, hearsay=hearsay)

    read = decode_world(b"".join(encode_world(world)), terms_of()).hearsay

    assert list(claims.items()) == list(read.newcomers.items())
    assert {scope: at for scope, at in hearsay.statements.items() if at >= 600.0} == read.statements


def test_decisions_are_read_in_the_order_in_which_they_were_written() -> None:
    decisions = tuple(b"decision %d" % number for number in range(250))
    world = World(0.0, 0.0, 0.0, {}, {}, {}, {}, {}, decisions=decisions)

    assert world == decode_world(b"".join(encode_world(world)), terms_of())


def test_claims_of_a_source_that_is_switched_off_have_the_policy_that_it_would_have() -> None:
    would_be = msgspec.structs.replace(POLICY, profile=Profile.SLIME)
    known = terms_of("eureka")
    for terms, policy in (
        (known, ConversionPolicy(source="nacos")),
        (Terms({**known.policies, "nacos": would_be}, known.fingerprints), would_be),
    ):
        read = decode_world(example()[1], terms)

        claims = [claim for each in (*read.claims.values(), *(hold.claims for hold in read.holds)) for claim in each]
        assert [policy] * len(claims) == [claim.policy for claim in claims]
        assert set(example()[0].claims) == set(read.claims)
        assert dict(example()[0].resources) == read.resources


def test_other_settings_make_it_outdated() -> None:
    terms = msgspec.structs.replace(terms_of("nacos"), fingerprints={"nacos": "others"})

    with pytest.raises(SavedError, match="converted by other settings or by another release: nacos") as caught:
        decode_world(example()[1], terms)
    assert Fault.OUTDATED is caught.value.fault


def test_a_source_that_the_file_does_not_know_is_no_contradiction() -> None:
    assert set(example()[0].claims) == set(decode_world(example()[1], terms_of("nacos", "eureka")).claims)


@pytest.mark.parametrize("data", [b"", b"MESH", b"{}", bytes(4096), b"PK\x03\x04" * 100])
def test_something_else_is_foreign(data: bytes) -> None:
    assert Fault.FOREIGN is fault_of(data)


def _numbered(number: int) -> bytes:
    data = example()[1]
    changed = MAGIC + struct.pack(">H", number) + data[len(MAGIC) + 2 : -16]
    return changed + xxhash.xxh3_128_digest(changed)


def test_a_format_of_the_future_is_told_from_a_damaged_file() -> None:
    assert Fault.FUTURE is fault_of(_numbered(FORMAT + 1))
    assert Fault.CORRUPT is fault_of(_numbered(0))


def test_an_impossible_content_with_a_right_checksum_is_corrupt() -> None:
    data = bytearray(example()[1][:-16])
    at = data.index(b"10.0.0.3")
    changed = bytes(data[: at - 1]) + b"\xc1" + bytes(data[at:])

    assert Fault.CORRUPT is fault_of(changed + xxhash.xxh3_128_digest(changed))


@given(st.integers(min_value=0), st.binary(max_size=6), st.integers(0, 6))
def test_any_content_with_a_right_checksum_is_a_world_or_a_fault(place: int, put: bytes, removed: int) -> None:
    data = example()[1][:-16]
    at = len(MAGIC) + 2 + place % (len(data) - len(MAGIC) - 2)
    changed = data[:at] + put + data[at + removed :]

    with suppress(SavedError):
        decode_world(changed + xxhash.xxh3_128_digest(changed), terms_of("nacos"))


@given(st.integers(min_value=0), st.integers(0, 7))
def test_a_flipped_bit_is_never_read(place: int, bit: int) -> None:
    data = bytearray(example()[1])
    data[place % len(data)] ^= 1 << bit

    assert fault_of(bytes(data)) in (Fault.FOREIGN, Fault.FUTURE, Fault.CORRUPT)


@given(st.integers(min_value=0))
def test_a_cut_file_is_never_read(size: int) -> None:
    data = example()[1]

    assert fault_of(data[: size % len(data)]) in (Fault.FOREIGN, Fault.CORRUPT)


@given(st.integers(min_value=0), st.binary(min_size=1))
def test_a_file_that_is_cut_or_grown_is_known_by_its_length(size: int, more: bytes) -> None:
    data = example()[1]
    check_length(BytesIO(data))

    for changed in (data[: size % len(data)], data + more):
        with pytest.raises(SavedError) as caught:
            check_length(BytesIO(changed))
        assert caught.value.fault in (Fault.FOREIGN, Fault.CORRUPT)


@given(st.binary(max_size=300))
def test_random_bytes_are_never_read(tail: bytes) -> None:
    assert fault_of(MAGIC + tail) in (Fault.FUTURE, Fault.CORRUPT)
    assert fault_of(MAGIC + struct.pack(">H", FORMAT) + tail) is Fault.CORRUPT


def test_the_rows_know_every_field_of_the_records() -> None:
    """A field that is added to a record is lost in the saved form until the rows have it: extend them, then this."""
    assert ("entry", "served", "empty_since", "idle_ports") == History.__struct_fields__
    assert ("name", "version", "record", "any_bytes") == Resource.__struct_fields__
    assert (
        "key namespace name hosts ports endpoints resolution policy labels annotations is_exclusive service "
        "written" == " ".join(Claim.__struct_fields__)
    )
    assert (
        "namespace name hosts ports endpoints resolution location addresses export_to labels annotations "
        "subject_alt_names workload_selector" == " ".join(ServiceEntry.__struct_fields__)
    )
    assert (
        "address",
        "ports",
        "labels",
        "locality",
        "weight",
        "network",
        "service_account",
    ) == WorkloadEntry.__struct_fields__
    assert "number unit cause since before rejected frozen confirmed claims displaced doubted content" == " ".join(
        HeldShrink.__struct_fields__
    )
    assert {*HeldShrink.__struct_fields__} - {"frozen", "confirmed", "claims"} == {*Hold.__struct_fields__} - {
        "confirmations"
    }
    assert Hearsay.__struct_fields__ == ("statements", "given_up", "newcomers", "doubted")
    assert Sidecar.__struct_fields__ == ("namespace", "name", "workload_labels", "egress", "labels", "annotations")
    assert EgressListener.__struct_fields__ == ("hosts", "protocol")
    assert ("number", "protocol", "name", "target_port") == ServicePort.__struct_fields__
    assert POLICY == next(iter(decode_world(example()[1], terms_of("nacos")).claims.values()))[0].policy
