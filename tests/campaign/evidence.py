"""What shows that a fault did what its name says: a fault that breaks nothing proves nothing.

A sign is a number that only the fault makes grow. Meshregistry's own counters are called as in `/metrics` without the
prefix, with none, one or all of their labels by name (`ads_bad_requests_total reason=flood`); `gate …` is counted by
the proxies before the registries (`TcpGate.met`), `process …` and `log …` come from the process, `seen …` is what a
fault saw for itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

Signs = Mapping[str, float]
"""The numbers at one moment, by name."""

SOURCE: Final = "SOURCE"
"""In a sign's name: the kind of the attacked registry."""

LOGGED: Final = ("Too many open files", "ads.connected", "body longer than", "http.reader_too_slow")
"""Texts whose number in the log of the process is a sign, `log …`."""

_PREFIX: Final = "meshregistry_"


@dataclass(frozen=True, slots=True)
class Sign:
    """A number that must grow by so much; `kind` limits it to attacks on one kind of registry."""

    name: str
    least: float = 1.0
    kind: str = ""


def unproven(signs: Iterable[Sign], before: Signs, after: Signs, kind: str = "") -> list[str]:
    """Return which signs are missing, in words; `kind` is that of the attacked registry, "" for none."""
    missing = []
    for sign in signs:
        if sign.kind in ("", kind):
            name = sign.name.replace(SOURCE, kind)
            grown = after.get(name, 0.0) - before.get(name, 0.0)
            if grown < sign.least:
                missing.append(f"no proof: {name} grew by {grown:g}, not by {sign.least:g}")
    return missing


def read_metrics(text: str) -> dict[str, float]:
    """Return what `/metrics` says: every series, the sum of every metric, and that for each value of each label."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix(_PREFIX)
            labels = [f"{label}={value}" for label, value in sorted(sample.labels.items())]
            for key in {name, *(f"{name} {label}" for label in labels), " ".join((name, *labels))}:
                found[key] = found.get(key, 0.0) + sample.value
    return found


def count_texts(log: bytes) -> dict[str, float]:
    """Return how often each of the texts stands in a log."""
    return {f"log {text}": float(log.count(text.encode())) for text in LOGGED}
