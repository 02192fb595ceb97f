"""What is kept out of the log."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
from aiohttp.http_exceptions import BadHttpMessage, InvalidURLError
from aiohttp.web import RequestPayloadError

from meshregistry.telemetry.logs import ForeignRequests, JsonFormatter, TextFormatter, conceal_in_tracebacks


def record(error: Exception | None) -> logging.LogRecord:
    """Return a record as aiohttp's server writes it."""
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error handling request", (), exc_info)


@pytest.mark.parametrize("error", [BadHttpMessage("garbage"), InvalidURLError("x"), RequestPayloadError("not gzip")])
def test_requests_that_are_not_http_leave_no_traceback(error: Exception) -> None:
    assert not ForeignRequests().filter(record(error))


@pytest.mark.parametrize("error", [ValueError("a fault of ours"), None])
def test_everything_else_is_logged(error: Exception | None) -> None:
    assert ForeignRequests().filter(record(error))


@pytest.fixture
def secret() -> Iterator[str]:
    """A secret that tracebacks must not hold."""
    conceal_in_tracebacks(["swordfish", "nacos"])
    yield "swordfish"
    conceal_in_tracebacks([])


def written(formatter: logging.Formatter, logger: str, message: str, error: Exception) -> str:
    """Return what is written of an error."""
    try:
        raise RuntimeError("cannot go on") from error
    except RuntimeError:
        made = logging.LogRecord(logger, logging.ERROR, "", 0, message, (), sys.exc_info())
    return formatter.format(made)


@pytest.mark.parametrize("formatter", [TextFormatter("%(message)s"), JsonFormatter()])
def test_a_traceback_holds_neither_a_known_secret_nor_what_a_url_has_before_its_host(
    formatter: logging.Formatter, secret: str
) -> None:
    """A short one is left: it is a word like any other."""
    error = ValueError(f"http://u:other@nacos:8848 {secret} {secret.upper()}")
    text = written(formatter, "meshregistry.app", "task.failed task=nacos", error)

    assert "http://***@nacos:8848 *** SWORDFISH" in text
    assert "task.failed task=nacos" in text
    assert "other" not in text
    assert secret not in text


@pytest.mark.parametrize(("logger", "said"), [("asyncio", "***"), ("meshregistry.x", "swordfish")])
def test_what_libraries_say_is_not_trusted_either(logger: str, said: str, secret: str) -> None:
    """asyncio writes the error of a lost task into its message. Our own events are made of what may be said."""
    line = written(JsonFormatter(), logger, f"Task exception: {secret}", ValueError("x"))

    assert f"Task exception: {said}" == json.loads(line)["message"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\n2026-01-01 00:00:00,000 ERROR b", "a\\n2026-01-01 00:00:00,000 ERROR b"),
        ("\x1b[2J\r\x9b\u2028\u202e", "\\x1b[2J\\r\\x9b\\u2028\\u202e"),
        ("\ud800", "\\ud800"),
        ("订单 é", "订单 é"),
    ],
)
def test_what_others_wrote_stays_in_its_line_and_moves_no_cursor(said: str, shown: str) -> None:
    event = logging.LogRecord("meshregistry.x", logging.INFO, "", 0, "source.read scope=%s", (said,), None)

    assert f"INFO source.read scope={shown}" == TextFormatter("%(levelname)s %(message)s").format(event)


@pytest.mark.parametrize("said", ["a\nb\x1b", "\u2028 订单"])
def test_json_has_what_others_wrote_as_it_is(said: str) -> None:
    event = logging.LogRecord("meshregistry.x", logging.INFO, "", 0, "%s", (said,), None)
    line = JsonFormatter().format(event)

    assert (said, 1) == (json.loads(line)["message"], len(line.split("\n")))


def test_half_of_a_surrogate_pair_costs_no_line_of_json() -> None:
    assert (
        "\\ud800" == json.loads(written(JsonFormatter(), "meshregistry.x", "\ud800", ValueError("\udfff")))["message"]
    )
