"""What a reload does: pure decisions about two settings."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from meshregistry.settings.fields import Section
from meshregistry.settings.findings import join_path
from meshregistry.settings.load import Loaded
from meshregistry.settings.root import Settings
from meshregistry.store.rules import SourceRules
from meshregistry.wiring import SourceOptions, source_options, source_rules

_FIXED = (
    "aux_addr",
    "http_server_addr",
    "http",
    "admin",
    "mcp",
    "data_dir",
    "reload",
    "shadow",
    "k8s",
    "resync_period",
)
"""Sections that only a start reads."""


class Composition(NamedTuple):
    """The sources that run, as the records that their rooms get, by kind."""

    options: Mapping[str, SourceOptions]
    rules: Mapping[str, SourceRules]


class Plan(NamedTuple):
    """What to do with the sources, sorted by kind."""

    stop: tuple[str, ...] = ()
    """Not configured any more: what they told goes, as the guard allows."""

    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    """Read from other places or otherwise, or converted otherwise: everything is read and converted anew."""

    reguard: tuple[str, ...] = ()
    """Guarded or limited otherwise, and nothing else."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(self)


def compose(settings: Settings) -> Composition:
    """Return the sources that settings ask for."""
    return Composition(source_options(settings), source_rules(settings))


def plan_changes(running: Composition, wanted: Composition) -> Plan:
    """Return what leads from one composition to the other; equal ones need nothing."""
    both = running.options.keys() & wanted.options.keys()
    restart = {
        kind
        for kind in both
        if running.options[kind] != wanted.options[kind]
        or running.rules[kind].conversion != wanted.rules[kind].conversion
    }
    reguard = {kind for kind in both - restart if running.rules[kind] != wanted.rules[kind]}
    return Plan(
        tuple(sorted(running.options.keys() - wanted.options.keys())),
        tuple(sorted(wanted.options.keys() - running.options.keys())),
        tuple(sorted(restart)),
        tuple(sorted(reguard)),
    )


def find_objections(running: Loaded, wanted: Loaded) -> list[str]:
    """Return why valid settings must not take effect while the service runs; [] when they may.

    A mistake must not delete what is served: a file cut off, a source whose key is misspelt inside Slime's wrappers,
    where Slime ignores it.
    """
    if not wanted.has_settings:
        return ["settings: the file holds none"]
    faults = [
        f"{path}: unknown key that the running settings do not have; a misspelt one would undo what it stood for"
        for path in sorted(wanted.unknown - running.unknown)
    ]
    if _has_source(running.settings) and not _has_source(wanted.settings):
        faults.append("settings: no source is enabled; to serve nothing, stop the service or start it so")
    return faults


def keep_fixed(running: Settings, wanted: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings that can take effect now, and the paths of those that need a restart."""
    fixed: dict[str, object] = {name: getattr(running, name) for name in _FIXED}
    addresses = running.conversion.virtual_addresses
    fixed["conversion"] = wanted.conversion.model_copy(update={"virtual_addresses": addresses})
    effective = wanted.model_copy(update=fixed)
    return effective, tuple(sorted(_differences(effective, wanted, ())))


def _has_source(settings: Settings) -> bool:
    return any(source.enabled for source in settings.sources().values())


def _differences(one: Section, other: Section, path: tuple[str, ...]) -> Iterator[str]:
    for name in type(one).model_fields:
        ours, theirs = getattr(one, name), getattr(other, name)
        if isinstance(ours, Section) and isinstance(theirs, Section):
            yield from _differences(ours, theirs, (*path, name))
        elif ours != theirs:
            yield join_path((*path, name))
