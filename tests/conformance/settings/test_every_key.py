"""Every key of Slime's, in every source that has it, set to another value: another outcome, or the exact warning.

The list of keys is the schema's; a key without a case fails, and so does a case without a key.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from meshregistry.settings.slime_keys import NO_KEY, list_keys
from tests.conformance.settings.cases import (
    FILES_CASES,
    MISC_CASES,
    OBJECT_CASES,
    OWN_CASES,
    SECTIONS,
    SERVER_CASES,
    TOP_CASES,
    VARIABLE_CASES,
    Case,
    Tree,
    common_cases,
)
from tests.conformance.settings.outcome import outcome, wrapped

COMMON: dict[str, dict[str, Case]] = {
    **{kind: common_cases(kind) for kind in ("nacos", "eureka", "zookeeper")},
    "files": FILES_CASES,
}
RUNNING: Tree = dict(SECTIONS.values())
SHOWN_ELSEWHERE = {
    "DYNAMIC_CONFIG_MAP": "tests/unit/kubernetes/test_settings_objects.py",
    "WATCHING_REGISTRYSOURCE": "tests/unit/kubernetes/test_settings_objects.py",
}
"""Keys whose effect needs a cluster."""

CONTAINERS = {"Mcp", "K8S", *RUNNING}
"""Keys that only hold others."""


class Attempt:
    """One key: the settings without and with it, and where it must show."""

    def __init__(self, case: Case, without: str, with_it: str, environ: Mapping[str, str] | None = None) -> None:
        self.part = case.part
        self.without: tuple[str, dict[str, str]] = (without, {})
        self.with_it = (with_it, dict(environ or {}))


def in_section(section: str, case: Case) -> Attempt:
    base = {**RUNNING[section], **case.base}
    return Attempt(case, wrapped({section: base}), wrapped({section: {**base, **case.change}}))


def in_servers(section: str, case: Case) -> Attempt:
    server = {"Address": RUNNING[section]["Address"], **case.base}
    legacy = [{section: {"Enabled": True, "Servers": [each]}} for each in (server, {**server, **case.change})]
    return Attempt(case, wrapped(legacy[0]), wrapped(legacy[1]))


def at_top(case: Case) -> Attempt:
    return Attempt(case, wrapped({**RUNNING, **case.base}), wrapped({**RUNNING, **case.base, **case.change}))


def in_misc(case: Case) -> Attempt:
    return Attempt(case, wrapped(RUNNING), wrapped(RUNNING, case.change))


def in_environment(case: Case) -> Attempt:
    legacy = {name: {**section, **case.base.get(name, {})} for name, section in RUNNING.items()}
    return Attempt(case, wrapped(legacy), wrapped(legacy), case.change)


def attempts() -> Iterator[tuple[str, Attempt]]:
    """Yield the path of every key that there is a case for, as the table of keys writes it, with its attempt."""
    for kind, cases in COMMON.items():
        section = SECTIONS[kind][0]
        yield from ((f"{section}.{key}", in_section(section, case)) for key, case in cases.items())
    for section, cases in OWN_CASES.items():
        yield from ((f"{section}.{key}", in_section(section, case)) for key, case in cases.items())
    for section, cases in SERVER_CASES.items():
        yield from ((f"{section}.Servers[].{key}", in_servers(section, case)) for key, case in cases.items())
    for key, case in OBJECT_CASES.items():
        yield key, in_section(_section_of(next(iter(case.change)), case), case)
    yield from ((key, at_top(case)) for key, case in TOP_CASES.items())
    yield from ((key, in_misc(case)) for key, case in MISC_CASES.items())
    yield from ((key, in_environment(case)) for key, case in VARIABLE_CASES.items())


def _section_of(key: str, case: Case) -> str:
    """Return the section in which an object stands: that of the source whose outcome changes."""
    return SECTIONS["zookeeper" if key == "WatchingDebounce" else case.part][0]


ATTEMPTS = dict(attempts())


def expected_paths() -> set[str]:
    """Return every key of the schema, those that all sources have once per source."""
    paths = set()
    for row in list_keys():
        if row.key.startswith("*Source."):
            paths |= {f"{section}.{row.key.removeprefix('*Source.')}" for section in RUNNING}
        elif row.key != NO_KEY and row.key not in CONTAINERS | SHOWN_ELSEWHERE.keys():
            paths.add(row.key)
    return paths


def test_no_key_of_the_schema_is_forgotten_and_none_is_made_up() -> None:
    expected = expected_paths()
    assert [] == sorted(expected - ATTEMPTS.keys())
    assert [] == sorted(ATTEMPTS.keys() - expected)


@pytest.mark.parametrize("path", ATTEMPTS)
def test_another_value_has_another_outcome_or_the_exact_warning(path: str) -> None:
    attempt = ATTEMPTS[path]
    without, with_it = outcome(*attempt.without), outcome(*attempt.with_it)

    if attempt.part.startswith("warning: "):
        (line,) = [each for each in with_it["warnings"] if each not in without["warnings"]]
        assert attempt.part.removeprefix("warning: ") == line.partition(": ")[2]
    else:
        assert without[attempt.part] != with_it[attempt.part]
        assert without["warnings"] == with_it["warnings"] or path.endswith((".Enabled", ".EnableConfigFile"))


def test_the_outcome_of_the_same_settings_is_the_same() -> None:
    """Otherwise every key would seem to have an effect."""
    text = wrapped(RUNNING)

    first, again = outcome(text, {}), outcome(text, {})

    assert first == again
    assert all(first[part] for part in ("nacos", "eureka", "zookeeper", "sidecars", "options", "guard"))


def test_unknown_keys_inside_a_wrapper_are_warnings_with_the_nearest_key() -> None:
    result: dict[str, Any] = outcome(wrapped({**RUNNING, "NoSuchKey": 1}), {})

    (line,) = result["warnings"]
    assert line.startswith("NoSuchKey (line ")
    assert "unknown key, ignored as Slime does; nearest known key" in line
