"""What is said on the admin socket: what is understood, and how long an answer gets."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.admin.protocol import (
    MAX_ANSWER_BYTES,
    BadRequestError,
    Command,
    Request,
    list_state,
    read_answer,
    read_request,
    write_answer,
    write_request,
)
from meshregistry.store.holds import HoldReport


def hold(number: int, scope: str = "nacos/public", hosts: tuple[str, ...] = ()) -> HoldReport:
    return HoldReport(str(number), scope, "mass", 5.0, 0.0, 100, 50, 50, hosts, rejected=False)


@pytest.mark.parametrize("command", Command)
def test_every_request_is_read_as_it_was_written(command: Command) -> None:
    request = Request(command, "nacos/public", "ann")

    assert request == read_request(write_request(request).rstrip(b"\n"))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET / HTTP/1.1",
        b"\xff",
        b"[]",
        b"{}",
        b'{"command":"drop"}',
        b'{"command":"holds","more":1}',
        b'{"command":"accept","subject":7}',
        b'{"command":"accept","subject":"%s"}' % (b"x" * 1025),
        b'{"command":"accept","by":"%s"}' % (b"x" * 65),
        b"[" * 10_000,
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequestError, match="not a request"):
        read_request(line)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_refused(line: bytes) -> None:
    with contextlib.suppress(BadRequestError):
        assert isinstance(read_request(line), Request)


def test_an_answer_shows_so_many_holds_and_counts_the_others() -> None:
    holds = [hold(number, hosts=("h" * 253,) * 10) for number in range(5000)]

    answer = list_state(holds, ["nacos"] * 5000, ("eureka",))

    assert (200, 4800, 200, ("eureka",)) == (len(answer.holds), answer.more, len(answer.frozen), answer.pending)
    assert MAX_ANSWER_BYTES > len(write_answer(answer))
    assert answer == read_answer(write_answer(answer))


def test_registry_text_is_shown_without_controls() -> None:
    answer = list_state([hold(1, "nacos/\x1b[2J", ("\x07bell",))], ["nacos/\x1b[2J"], ())

    assert b"\\u001b" not in msgspec.json.encode(answer)
    assert ("nacos/\\x1b[2J", ("\\x07bell",)) == (answer.holds[0].scope, answer.holds[0].hosts)
