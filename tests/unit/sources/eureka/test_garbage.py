"""Whatever a Eureka sends in place of an answer: it is understood, or refused with the one error that is documented."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SourceDataError
from meshregistry.sources.eureka import dialects
from meshregistry.sources.eureka.instances import RegistrationReader
from meshregistry.sources.eureka.options import EurekaOptions
from meshregistry.sources.eureka.wire import (
    Application,
    Reply,
    decode_application,
    decode_applications,
    decode_lazily,
    open_lazily,
)
from tests.support.garbage import bodies, spoilt
from tests.unit.sources.eureka.bodies import captured

KEYS = ("applications", "application", "versions__delta", "versions_delta", "apps__hashcode", "name", "instance")
any_body = bodies(*KEYS, "instanceId", "port", "$", "@enabled", "metadata", "status")
answers = any_body | st.sampled_from(["apps.json", "delta.json", "vip.json"]).map(captured).flatmap(spoilt)


def opened(reply: Reply, piece_bytes: int) -> Iterator[Application]:
    """Open every application as the source does; what comes out is what the view takes for granted."""
    reader = RegistrationReader(EurekaOptions(servers=()))
    for raw in reply.applications:
        for application in open_lazily(raw, piece_bytes):
            assert application.name == application.name.upper()
            for record in application.records:
                identity, registration = reader.read(record, application.name, 0.0)
                assert isinstance(identity, str)
                assert registration.instance is None or registration.instance.address
            yield application


def outcome(decode: Callable[[], Reply], piece_bytes: int = 1 << 20) -> tuple[object, ...] | None:
    """Return everything that an answer says; None for one that is refused, at once or on the way."""
    try:
        reply = decode()
        return reply.version, reply.hash, merged(opened(reply, piece_bytes))
    except SourceDataError:
        return None


def merged(applications: Iterator[Application]) -> list[tuple[str, list[object], int]]:
    """Return applications whose parts are together again."""
    found: list[tuple[str, list[object], int]] = []
    for name, records, bad in applications:
        if found and found[-1][0] == name:
            found[-1] = (name, [*found[-1][1], *records], found[-1][2] + bad)
        else:
            found.append((name, list(records), bad))
    return found


@given(answers)
def test_an_answer_about_all_is_understood_or_refused(body: bytes) -> None:
    outcome(lambda: decode_applications(body))


@given(any_body | spoilt(captured("application.json")))
def test_an_answer_about_one_is_understood_or_refused(body: bytes) -> None:
    outcome(lambda: decode_application(body))


@given(answers, st.integers(1, 3000), st.integers(1, 3000))
def test_what_is_read_in_pieces_is_what_is_read_at_once(body: bytes, piece_bytes: int, part_bytes: int) -> None:
    """Cut anywhere; a body that is refused at once may be refused on the way, when its end is reached."""
    parts = [body[at : at + part_bytes] for at in range(0, len(body), part_bytes)]
    whole = outcome(lambda: decode_applications(body))
    lazily = outcome(lambda: decode_lazily(parts, piece_bytes), piece_bytes)

    assert whole == lazily


@pytest.mark.parametrize("read", [dialects.read_record, dialects.fields, dialects.text])
@given(body=bodies("instanceId", "port", "$", "metadata"))
def test_a_part_of_an_answer_is_read_or_none(read: Callable[[bytes], object], body: bytes) -> None:
    with suppress(SourceDataError):
        read(body)
