"""Domain names as istiod takes them. Source: istiod ``pkg/config/validation/agent/validation.go``, ValidateFQDN."""

import re
from collections.abc import Iterator

LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
WILDCARD_LABEL = re.compile(rf"\*|(?:\*-?)?{LABEL.pattern}")
DIGITS = re.compile(r"[0-9]+")

MAX_LABEL = 63
MAX_HOST = 255
MAX_INT64 = 2**63 - 1


def wildcard_domain_faults(host: str) -> Iterator[str]:
    """Why ``host`` is no DNS name whose first label may be or begin with a wildcard."""
    first, dot, rest = host.partition(".")
    if not 1 <= len(host.encode()) <= MAX_HOST:
        yield f"domain name {host!r} must have 1 to {MAX_HOST} bytes"
    elif not is_label(first, WILDCARD_LABEL):
        yield f"domain name {host!r} invalid (label {first!r} invalid)"
    elif dot:
        yield from _labels_faults(rest)


def fqdn_faults(host: str) -> Iterator[str]:
    """Why ``host`` is no fully qualified domain name; wildcards are not allowed."""
    if not 1 <= len(host.encode()) <= MAX_HOST:
        yield f"domain name {host!r} must have 1 to {MAX_HOST} bytes"
    else:
        yield from _labels_faults(host)


def _labels_faults(domain: str) -> Iterator[str]:
    *parents, last = domain.split(".")
    if DIGITS.fullmatch(last) and int(last) <= MAX_INT64:
        yield f"domain name {domain!r} invalid (top level domain {last!r} cannot be all-numeric)"
    for label in (*parents, last) if last else parents:
        if not is_label(label):
            yield f"domain name {domain!r} invalid (label {label!r} invalid)"


def is_label(text: str, pattern: re.Pattern[str] = LABEL) -> bool:
    """Whether it is one label, of at most 63 characters."""
    return len(text) <= MAX_LABEL and pattern.fullmatch(text) is not None
