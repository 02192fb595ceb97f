"""What is kept out of the log."""

import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage, InvalidURLError
from aiohttp.web import RequestPayloadError

from meshregistry.telemetry.logs import ForeignRequests


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
