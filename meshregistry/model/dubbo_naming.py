"""Hosts and resource names of Dubbo services in both profiles, and the ways Slime writes methods and tags."""

import re

from meshregistry.model.dubbo_key import DubboKey
from meshregistry.model.naming import make_legal

SERVICE_KEY_ANNOTATION = "meshregistry/dubbo-service-key"
_SUFFIX = ".dubbo"
_HOST_LIMIT = 220
"""Leaves room for a scheme in front and a suffix behind."""

_PREFERENCE = {"dubbo": 0, "tri": 1, "triple": 1, "grpc": 2, "rest": 3, "http": 4}
_replace_underscores = re.compile(r"[_$]").sub
_find_odd_bytes = re.compile(rb"[^A-Za-z0-9_]").sub


def name_host(key: DubboKey, host_suffix: str) -> str:
    """Return the legal host of a service: `[<version with dashes>.][<group>.]<interface>.dubbo` in lower case.

    Different services can come out alike, if only by their case: the merge finds that.
    """
    parts = (key.version.replace(".", "-"), key.group, key.interface)
    text = ".".join(_replace_underscores("-", part.lower()) for part in parts if part)
    return make_legal(text, _HOST_LIMIT, closes_host=False) + (host_suffix or _SUFFIX).lower()


def name_hosts(key: DubboKey, schemes: frozenset[str], host_suffix: str) -> dict[str, str]:
    """Return the host of every scheme a service is registered with.

    The preferred scheme has the service's own host, others have themselves in front. They cannot share one entry:
    istiod gives every endpoint every port of its entry, and fills in a port the endpoint does not have.
    """
    host = name_host(key, host_suffix)
    ordered = sorted(schemes, key=_prefer)
    others = {
        scheme: f"{make_legal(_replace_underscores('-', scheme), 20, closes_host=False)}.{host}"
        for scheme in ordered[1:]
    }
    return {ordered[0]: host, **others} if ordered else {}


def escape_methods(value: str) -> str:
    """Return a comma list of methods as a label value: sorted, escaped, joined by dots (Slime pkg/text/label.go)."""
    return ".".join(_escape(name) for name in sorted(value.split(",")) if name)


def spread_tag(value: str) -> dict[str, str]:
    """Return the labels of `dubbo.tag`: one label, or those that a comma list of `key=value` names."""
    if "," not in value:
        return {"dubboTag": value}
    pairs = (item.partition("=") for item in value.split(","))
    return {key: text for key, mark, text in pairs if mark}


def _prefer(scheme: str) -> tuple[int, str]:
    return _PREFERENCE.get(scheme, len(_PREFERENCE)), scheme


def _escape(name: str) -> str:
    """Return a method name with every byte that is no letter, digit or underscore as its two hex digits and a dash."""

    def spell(match: re.Match[bytes]) -> bytes:
        byte = match[0][0]
        return b"%x-%x" % (byte >> 4, byte & 15)

    return _find_odd_bytes(spell, name.encode("utf-8", "replace")).decode()
