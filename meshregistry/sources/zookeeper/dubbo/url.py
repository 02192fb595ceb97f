"""Dubbo URLs as node names: form-encoded once as a whole, values not encoded before.

Rules: Dubbo dubbo-common URLStrParser. What an application puts unencoded into a value (`a&b`) is lost to every
reader, Dubbo's own included.
"""

import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import unquote_plus

from meshregistry.model.grammar import is_fqdn, is_ip

MAX_NAME_CHARS = 65_536
LONGEST_POOLED = 256
"""Longer parameters are not worth remembering, and a pool of them would have no bound worth the name."""

_ODD_SEPARATORS = ("&", ";", "=", "%3B", "%3b", "%3d")
_replace_pair_separators = re.compile(r"%3[Bb]|[&;]").sub
_replace_value_separators = re.compile(r"%3d|=").sub
_match_plain_head = re.compile(r"([a-z][a-z0-9.-]*)%3A%2F%2F([0-9.]+)%3A([0-9]{1,5})(?:%2F([^%+]*))?").fullmatch
"""Most heads: an IPv4 address and a path without a slash."""

_match_plain_name = re.compile(r"([a-z][a-z0-9.-]*)%3A%2F%2F([0-9.]+)%3A([0-9]{1,5})(?:%2F[^%+]*)?%3F").match
"""The same with the mark behind it."""


class BadUrl(Exception):
    """A node name that is no usable URL; `reason` is the word it is counted by."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Head(NamedTuple):
    """What stands before the parameters, decoded; port 0 is none."""

    scheme: str
    """Lower case."""

    host: str
    """IP address without brackets or zone, or host name, as written."""

    port: int
    path: str


def split_name(name: str) -> tuple[str, str]:
    """Return the encoded head and the encoded parameters ("" for none) of a node name."""
    if "://" in name:
        head, _, params = name.partition("?")
        return head, params
    head, mark, params = name.partition("%3F")
    if not mark:
        head, mark, params = name.partition("%3f")
    if not mark:
        head, _, params = name.partition("?")
    return head, params


def read_address(name: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and the encoded parameters of a node name, as `split_name` and `read_head` do.

    Raises BadUrl with reason `scheme` or `port`. The hot path of a listing.
    """
    plain = _match_plain_name(name)
    if plain is not None and "://" not in name:
        scheme, host, port = plain.groups()
        return scheme, host, int(port), name[plain.end() :]
    encoded_head, encoded_params = split_name(name)
    head = read_head(encoded_head)
    return head.scheme, head.host, head.port, encoded_params


def read_head(encoded: str) -> Head:
    """Return the decoded head; raises BadUrl with reason `scheme` or `port`."""
    plain = _match_plain_head(encoded)
    if plain is not None:
        scheme, host, port, path = plain.groups()
        return Head(scheme, host, int(port), path or "")
    return _read_any_head(encoded)


def _read_any_head(encoded: str) -> Head:
    text = decode(encoded.replace("%3A", ":").replace("%2F", "/"))
    scheme, mark, rest = text.partition("://")
    if not mark or not scheme:
        raise BadUrl("scheme")
    authority, _, path = rest.partition("/")
    return Head(scheme.lower(), *split_authority(authority.rpartition("@")[2]), path)


def split_authority(text: str) -> tuple[str, int]:
    """Return host and port of `host[:port]`, where host may be an IPv6 address with or without brackets.

    Dubbo 2 writes IPv6 bare, so what follows the last colon is the port unless only the whole text is an address.
    Raises BadUrl `port` for a port that is no number.
    """
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return _strip_zone(host), _read_port(port.removeprefix(":"))
    host, colon, port = text.rpartition(":")
    if not colon or "%" in port:
        return _strip_zone(text), 0
    if ":" in host and not is_ip(_strip_zone(host)) and is_ip(text):
        return text, 0
    return _strip_zone(host), _read_port(port)


def check_address(host: str, port: int) -> None:
    """Raise BadUrl `address` or `port` unless it is an endpoint one can connect to."""
    if not (is_ip(host) or is_fqdn(host)):
        raise BadUrl("address")
    if not 1 <= port <= 65535:
        raise BadUrl("port")


def split_params(encoded: str) -> dict[str, str]:
    """Return the decoded parameters; a key alone has the value "", of a repeated key the last one counts."""
    return dict(split_pairs(encoded, {}))


def split_pairs(encoded: str, known: dict[str, tuple[str, str]]) -> Collection[tuple[str, str]]:
    """Return the decoded parameters as pairs, each key once, as `split_params` does.

    `known` remembers decoded parameters by their encoded form, so that equal ones are one object; its owner bounds it.
    """
    if has_odd_separators(encoded):
        encoded = _replace_value_separators("%3D", _replace_pair_separators("%26", encoded))
    pairs = [known.get(part) or read_pair(part, known) for part in encoded.split("%26")]
    by_key = dict(pairs)
    if len(by_key) == len(pairs) and "" not in by_key:
        return pairs
    last = {pair[0]: pair for pair in pairs}
    last.pop("", None)
    return last.values()


def read_params(url: str) -> dict[str, str]:
    """Return the parameters of a URL that is not encoded, as rules in a JSON list are."""
    params = {}
    for part in re.split(r"[&;]", url.partition("?")[2]):
        key, _, value = part.partition("=")
        if key:
            params[key] = value
    return params


def decode(text: str) -> str:
    """Form-decode once: a plus sign is a space."""
    return unquote_plus(text) if "%" in text or "+" in text else text


def _strip_zone(host: str) -> str:
    return host.partition("%")[0]


def has_odd_separators(encoded: str) -> bool:
    """Whether parameters are separated otherwise than Java's URLEncoder writes it."""
    return any(map(encoded.__contains__, _ODD_SEPARATORS))


def read_pair(part: str, known: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Return one decoded parameter, and remember it in `known` unless it is long."""
    key, _, value = part.partition("%3D")
    pair = decode(key), decode(value)
    if len(part) <= LONGEST_POOLED:
        known[part] = pair
    return pair


def _read_port(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise BadUrl("port")
    return int(text)
