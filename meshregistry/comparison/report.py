"""Prints a comparison: for people, and as JSON for programs. Pure."""

import itertools
from collections import Counter
from collections.abc import Iterator

import msgspec

from meshregistry.comparison.difference import Comparison, Difference, What

_LONGEST = 200


def report_text(comparison: Comparison, limit: int) -> str:
    """Return what differs in the first `limit` hosts, then what differs how often, then the counts."""
    groups = [(host, list(each)) for host, each in itertools.groupby(comparison.differences, lambda each: each.host)]
    lines = [line for host, differences in groups[:limit] for line in _host_lines(host, differences)]
    if len(groups) > limit:
        lines.append(f"... and {len(groups) - limit} more; --limit shows more, --json shows all")
    if groups:
        lines += ["", "how often:", *_count_lines(comparison)]
    return "\n".join([*lines, *_summary(comparison)]).lstrip("\n") + "\n"


def report_json(comparison: Comparison) -> str:
    """Return everything as one JSON object."""
    document = {
        "equal": not comparison.differences,
        **{name: value for name, value in msgspec.structs.asdict(comparison).items() if name != "differences"},
        "hosts_equal": comparison.hosts_equal,
        "differences": comparison.differences,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _host_lines(host: str, differences: list[Difference]) -> Iterator[str]:
    yield _plain(host)
    for each in differences:
        match each.what:
            case What.HOST | What.SIDECAR if each.there is None or each.ours is None:
                side, value = ("there", each.there) if each.ours is None else ("here", each.ours)
                yield f"  only {side}: {_plain(value or '')}"
            case What.ENDPOINT:
                yield f"  {'-' if each.ours is None else '+'} {_plain(each.subject)}"
            case _:
                subject = each.subject or "spec"
                yield f"  ~ {_plain(subject)}: there {_value(each.there)}, here {_value(each.ours)}"


def _count_lines(comparison: Comparison) -> Iterator[str]:
    counts = Counter(map(_sort_of, comparison.differences))
    for sort, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:8}  {sort}"


def _sort_of(difference: Difference) -> str:
    match difference.what:
        case What.HOST:
            return "host only there" if difference.ours is None else "host only here"
        case What.ENDPOINT:
            return "endpoint only there (-)" if difference.ours is None else "endpoint only here (+)"
        case What.ENDPOINT_FIELD:
            return f"endpoint {_plain(difference.subject.partition(' ')[2])}"
        case What.FIELD:
            return _plain(difference.subject)
    return "Sidecar"


def _summary(comparison: Comparison) -> Iterator[str]:
    yield ""
    yield f"there: {comparison.hosts_there} hosts, {comparison.endpoints_there} endpoints"
    yield f"here:  {comparison.hosts_ours} hosts, {comparison.endpoints_ours} endpoints"
    for side, count in (("there", comparison.empty_there), ("here", comparison.empty_ours)):
        if count:
            yield f"{count} hosts without endpoints are only {side}; they make no difference"
    found = len(comparison.differences)
    yield f"{comparison.hosts_equal} hosts are equal; {f'{found} differences' if found else 'no difference'}"


def _value(text: str | None) -> str:
    return "nothing" if text is None else f'"{_plain(text)}"'


def _plain(text: str) -> str:
    """Return text that cannot steer a terminal, and is not longer than a line bears."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:_LONGEST])
    return shown + ("..." if len(text) > _LONGEST else "")
