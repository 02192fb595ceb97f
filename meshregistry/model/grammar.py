"""The grammars of names, labels and addresses that istiod and Slime check with.

Each function is a full-match predicate over any string, lone surrogates included. Sources: istiod
pkg/config/validation/agent/validation.go, pkg/config/labels/instance.go; Slime pkg/util/validation.go, which
copied the latter.
"""

import ipaddress
import re
from functools import lru_cache

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUALIFIED_NAME = r"(?:[A-Za-z0-9][A-Za-z0-9_.-]*)?[A-Za-z0-9]"

_match_label = re.compile(_LABEL).fullmatch
_match_labels = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?").fullmatch
_match_wildcard_label = re.compile(rf"\*(?:-?{_LABEL})?|{_LABEL}").fullmatch
_match_ipv4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch
_match_key = re.compile(rf"(?:({_LABEL}(?:\.{_LABEL})*)/)?({_QUALIFIED_NAME})").fullmatch
_match_value = re.compile(rf"(?:{_QUALIFIED_NAME})?").fullmatch

_HOST_LIMIT = 255
_LABEL_LIMIT = 63
_PREFIX_LIMIT = 253


def is_dns_label(text: str) -> bool:
    """Whether istiod takes it as a DNS label: 1 to 63 letters, digits and inner dashes, any case."""
    return _match_label(text) is not None


def is_fqdn(text: str) -> bool:
    """Whether istiod takes it as a host name: dotted labels, an optional last dot, no integer as the last label."""
    if len(text) > _HOST_LIMIT or _match_labels(text) is None:
        return False
    return not text.rpartition(".")[2].isdigit()


def is_host(text: str) -> bool:
    """Whether istiod takes it as a host of a ServiceEntry: like a host name, but the first label may be a wildcard."""
    first, dot, rest = text.partition(".")
    if text == "*" or len(first) > _LABEL_LIMIT or _match_wildcard_label(first) is None:
        return False
    return not dot or (len(text) <= _HOST_LIMIT and is_fqdn(rest))


@lru_cache(maxsize=1 << 17)
def is_ip(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address in Go's sense (no leading zeros in IPv4) without a zone.

    Remembered, as conversion, merge and validation each ask for every endpoint.
    """
    return bool(_match_ipv4(text)) or (":" in text and _is_ipv6(text))


def is_ip_or_cidr(text: str) -> bool:
    """Whether it is an address or a network `address/bits`; host bits may be set."""
    address, slash, bits = text.partition("/")
    if not slash:
        return is_ip(address)
    limit = 32 if _match_ipv4(address) else 128
    return is_ip(address) and bits.isascii() and bits.isdigit() and str(int(bits[:4])) == bits and int(bits) <= limit


def is_label_key(key: str) -> bool:
    """Whether it is a label key: an optional DNS prefix of 253 with a slash, then a qualified name of 63."""
    match = _match_key(key)
    if match is None:
        return False
    prefix, name = match.groups()
    return len(name) <= _LABEL_LIMIT and (prefix is None or len(prefix) <= _PREFIX_LIMIT)


def is_label_value(value: str) -> bool:
    """Whether it is a label value: empty or a qualified name, of any length."""
    return _match_value(value) is not None


def is_utf8(text: str) -> bool:
    """Whether it can be encoded: lone surrogates cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    if "%" in text:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
