"""What may be said of an address, a body or an error: one line, without secrets."""

import base64
from collections.abc import Iterable, Mapping
from itertools import chain
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.telemetry.concealment import Concealer

_EXCERPT_CHARACTERS = 160
_BEGINNING = 65_536
"""Of a body, characters: an excerpt is made of the first 640, and of more where secrets are masked in them."""

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
    """Return a server's text without what we sent it as headers or a form: some quote it in their errors.

    Also without what stands in a header of basic authentication, and however the server writes it down.
    """
    return _concealer(sent)(text)


def conceal_beginning(body: bytes, *sent: Mapping[str, str] | None) -> bytes:
    """Return enough of the beginning of a body for an excerpt, concealed likewise: of 256 MB all takes ten seconds."""
    text = body[: 8 * _BEGINNING].decode("utf-8", "replace")
    return _concealer(sent).beginning(text, _BEGINNING).encode()


def _concealer(sent: Iterable[Mapping[str, str] | None]) -> Concealer:
    values = {part for pairs in sent for value in (pairs or {}).values() for part in (value, *value.split())}
    return Concealer((*values, *chain.from_iterable(map(_read_basic, values))), _LEAST_SECRET)


def _read_basic(value: str) -> tuple[str, ...]:
    """Return what a part of a header stands for if it is the base64 of user and password."""
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return ()
    return (f"{user}:{password}", user, password) if colon else ()


def authorization_in(address: str) -> dict[str, str]:
    """Return the header that an HTTP client makes of user and password in an address."""
    userinfo, at, _ = urlsplit(address).netloc.rpartition("@")
    if not at:
        return {}
    user, _, password = (unquote(part) for part in userinfo.partition(":"))
    return basic_authorization(user, password)


def basic_authorization(user: str, password: str) -> dict[str, str]:
    """Return the header of basic authentication."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def cause(error: Exception, *sent: Mapping[str, str] | None) -> str:
    """Return the reason of a failed request in one line, without what was sent; aiohttp's own texts can hold URLs."""
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
    # In this order: what is cut off in a secret leaves a part of it that is not known any more.
    return f"{type(error).__name__}: {excerpt(conceal(reason, *sent).encode())}"


def worst(errors: list[SourceError]) -> SourceError:
    """Return one error for what every node answered: of the kind that needs a human soonest, with all texts."""
    if not errors:
        return SourceUnavailable("no address is configured")
    for kind in (SourceAuthError, SourceDataError):
        if any(isinstance(error, kind) for error in errors):
            return kind("; ".join(str(error) for error in errors))
    return SourceUnavailable("; ".join(str(error) for error in errors))
