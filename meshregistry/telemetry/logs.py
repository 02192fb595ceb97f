"""Log format: one line per event, as text or as JSON.

Event texts are dotted names with key=value parts; anything secret never reaches a log call. A traceback is nobody's
event: the text of an error that nobody foresaw may hold anything, so the known secrets are taken out of it.
"""

import logging
import re
import sys
from collections.abc import Iterable
from enum import StrEnum
from types import TracebackType
from typing import Final

import orjson

from meshregistry.telemetry.concealment import MASK, Concealer

LEVELS = ("debug", "info", "warning", "error")
_LIBRARIES = ("grpclib", "aiohttp.access", "asyncio", "hpack")
"""Loggers that speak per connection."""

_WATCHER = "watchfiles.main"
"""Speaks per changed file, also of the log itself: where that lies in a watched folder, each line makes the next."""

_TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(name)s %(message)s"


_LEAST_SECRET: Final = 6
"""A shorter secret stays in tracebacks, where it would be any word: `nacos` is a password of many."""

_CREDENTIALS = re.compile(r"(?<=://)\S*@")
_OWN: Final = "meshregistry"

_ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class TextFormatter(logging.Formatter):
    """One line per record, and the traceback, if any; no known secret in the traceback and in what libraries say.

    Controls are escaped: what a registry or a client wrote begins no line of its own and moves no cursor.
    """

    conceal = Concealer((), _LEAST_SECRET)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return without_controls(self._cleaned(super().formatMessage(record), record))

    def formatException(self, ei: _ErrorInfo) -> str:
        """Return the traceback."""
        return self._concealed(super().formatException(ei))

    def _cleaned(self, text: str, record: logging.LogRecord) -> str:
        return text if record.name.partition(".")[0] == _OWN else self._concealed(text)

    def _concealed(self, text: str) -> str:
        return conceal_known(text)


class JsonFormatter(TextFormatter):
    """One JSON object per line: time, level, logger, message and, if any, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._cleaned(record.getMessage(), record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        # Half of a surrogate pair is no text to orjson; the fault would be printed with all that the record holds.
        return orjson.dumps({name: _without_halves(text) for name, text in line.items()}).decode()


def without_controls(text: str) -> str:
    """Return a text on one line, with an escape in place of each character that is not printed."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _without_halves(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class ForeignRequests(logging.Filter):
    """Keeps out what aiohttp says, with a traceback each, about requests that are not HTTP, or whose body is not.

    The former are answered 400; nobody reads the latter.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is about anything else."""
        kind = type(record.exc_info[1] if record.exc_info else None)
        return kind.__module__ != "aiohttp.http_exceptions" and kind.__qualname__ != "RequestPayloadError"


def configure_logs(*, level: str, as_json: bool) -> None:
    """Send all logs to stderr; libraries that log per connection or per file speak only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter(_TEXT_FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in (*_LIBRARIES, _WATCHER):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(ForeignRequests())


def conceal_in_tracebacks(secrets: Iterable[str]) -> None:
    """Have no traceback hold one of these from now on; for the life of the process."""
    TextFormatter.conceal = Concealer(secrets, _LEAST_SECRET)


def conceal_known(text: str) -> str:
    """Return a text that nobody foresaw without the known secrets, and without what URLs have before their host."""
    return TextFormatter.conceal(_CREDENTIALS.sub(f"{MASK}@", text))


class LogGroup(StrEnum):
    """Loggers that have one level together."""

    OWN = "own"
    """Ours, and of libraries what is not chatty."""

    LIBRARIES = "libraries"


def read_level(group: LogGroup) -> str:
    """Return the lowest level that is printed."""
    return logging.getLevelName(_loggers(group)[0].getEffectiveLevel()).lower()


def set_level(group: LogGroup, level: str) -> None:
    """Print from now on from this level on, one of `LEVELS`; `configure_logs` undoes it."""
    for logger in _loggers(group):
        logger.setLevel(level.upper())


def _loggers(group: LogGroup) -> list[logging.Logger]:
    return [logging.getLogger()] if group is LogGroup.OWN else [logging.getLogger(name) for name in _LIBRARIES]
