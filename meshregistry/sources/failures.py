"""What may be said of an address, a body or an error: one line, without secrets."""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable

_EXCERPT_CHARACTERS = 160
_LEAST_SECRET = 4
"""A shorter value is left in a text, where it may be any word."""


def displayed(address: str) -> str:
    """Return a base URL fit for logs and pages: without user, password and query."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def excerpt(body: bytes) -> str:
    """Return the beginning of a body on one printable line."""
    text = body[: 4 * _EXCERPT_CHARACTERS].decode("utf-8", "replace")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _EXCERPT_CHARACTERS else f"{line[:_EXCERPT_CHARACTERS]}…"


def conceal(text: str, *sent: Mapping[str, str] | None) -> str:
    """Return a server's text without what we sent it as headers or a form: some quote it in their errors."""
    values = {part for pairs in sent for value in (pairs or {}).values() for part in (value, *value.split())}
    for value in sorted((each for each in values if len(each) >= _LEAST_SECRET), key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def cause(error: Exception) -> str:
    """Return the reason of a failed request in one line; aiohttp's own texts can hold URLs, with a password in them."""
    match error:
        case TimeoutError():
            return "no complete answer in time"
        case aiohttp.InvalidURL():
            return "not a usable URL"
        case aiohttp.ClientConnectorError():
            reason = str(error.os_error)
        case aiohttp.ClientResponseError():
            reason = error.message
        case _:
            reason = str(error)
    return f"{type(error).__name__}: {excerpt(reason.encode())}"


def worst(errors: list[SourceError]) -> SourceError:
    """Return one error for what every node answered: of the kind that needs a human soonest, with all texts."""
    if not errors:
        return SourceUnavailable("no address is configured")
    for kind in (SourceAuthError, SourceDataError):
        if any(isinstance(error, kind) for error in errors):
            return kind("; ".join(str(error) for error in errors))
    return SourceUnavailable("; ".join(str(error) for error in errors))
