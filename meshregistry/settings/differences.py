"""What will be different for one settings file when it moves from Slime to here: pure.

Three kinds of answers: defaults that the file relies on and that are others here, keys that mean something else here
than in Slime (also those that Slime ignores for a source), and what the enabled sources do differently whatever the
file says. What has no effect at all are the warnings of loading.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pydantic.fields import FieldInfo

from meshregistry.settings.durations import parse_duration
from meshregistry.settings.fields import DURATION, Section, spec_of
from meshregistry.settings.findings import Path, join_path
from meshregistry.settings.load import Loaded
from meshregistry.settings.render import printable_value
from meshregistry.settings.root import Settings
from meshregistry.settings.source import Source

_KINDS = {"nacos_source": "nacos", "zookeeper_source": "zookeeper", "eureka_source": "eureka", "k8s_source": "files"}


class FileDifferences(NamedTuple):
    """What is different for one file, one line each."""

    defaults: tuple[str, ...]
    keys: tuple[str, ...]
    behaviours: tuple[str, ...]


class _Behaviour(NamedTuple):
    """Something that is different whatever the keys say."""

    applies: Callable[[Settings], bool]
    text: str


def find_differences(loaded: Loaded) -> FileDifferences:
    """Return what is different for the file that was loaded."""
    settings = loaded.settings
    fields = list(_walk(settings, ()))
    return FileDifferences(
        tuple(line for path, info, value in fields if (line := _changed_default(path, info, value, loaded))),
        tuple(line for path, info, value in fields if (line := _changed_key(path, info, value, loaded))),
        tuple(each.text for each in _BEHAVIOURS if each.applies(settings)),
    )


def _walk(section: Section, path: Path) -> Iterator[tuple[Path, FieldInfo, object]]:
    """Yield every field that has a place of its own, of enabled sources only."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Source) and not value.enabled:
            continue
        yield (*path, name), info, value
        if isinstance(value, Section):
            yield from _walk(value, (*path, name))


def _changed_default(path: Path, info: FieldInfo, value: object, loaded: Loaded) -> str:
    spec = spec_of(info)
    if spec.slime_default is None or path in loaded.origins or _is_idle(path, spec.slime_sources):
        return ""
    slime = parse_duration(spec.slime_default) if DURATION in info.metadata else spec.slime_default
    if value == slime or (spec.slime_default == "" and spec.slime_profile == value):
        return ""
    shown = printable_value(value, info)
    return f"{join_path(path)}: {_text(shown)}, in Slime {_text(spec.slime_default)}. {spec.slime_note or ''}".strip()


def _changed_key(path: Path, info: FieldInfo, value: object, loaded: Loaded) -> str:
    spec = spec_of(info)
    if path not in loaded.origins or spec.slime is None or value == info.default:
        return ""
    where = loaded.origins[path].text
    if _is_idle(path, spec.slime_sources) and path[0] != "k8s_source":
        return f"{join_path(path)} ({where}): has effect here; Slime ignores it for this source"
    if spec.slime_note and spec.slime_default is None:
        return f"{join_path(path)} ({where}): {spec.slime_note}"
    return ""


def _is_idle(path: Path, sources: tuple[str, ...] | None) -> bool:
    """Whether Slime does not act on a common key in the source that it stands in."""
    kind = _KINDS.get(str(path[0]))
    return kind is not None and sources is not None and kind not in sources


def _text(value: object) -> str:
    return (
        {True: "true", False: "false", "": "unset"}.get(value, str(value))
        if isinstance(value, str | bool)
        else str(value)
    )


def _any_registry(settings: Settings) -> bool:
    return settings.nacos_source.enabled or settings.eureka_source.enabled or settings.zookeeper_source.enabled


def _no_wait(settings: Settings) -> bool:
    return any(source.enabled and not source.wait_time for source in settings.sources().values())


_BEHAVIOURS = (
    _Behaviour(
        lambda settings: settings.profile == "istio",
        "profile istio: the file is bare, not one of Slime's wrappers, or says so. Hosts, protocols, labels and "
        "location are such as a stock istiod accepts; `profile: slime` keeps Slime's.",
    ),
    _Behaviour(
        _any_registry,
        "A reading that fails (refused, timed out, half an answer) keeps what was known. Slime empties the services of "
        "a Nacos it cannot read.",
    ),
    _Behaviour(
        _no_wait,
        "ServiceEntries are held until every source has been read once. Slime becomes ready with an empty Nacos.",
    ),
    _Behaviour(
        _any_registry,
        "A service whose last instance left is removed after guard.delete_after; Slime keeps it without endpoints for "
        "ever.",
    ),
    _Behaviour(
        lambda settings: any(source.enabled and source.guard.mass_ratio > 0 for source in settings.sources().values()),
        "A large shrink is held until the registry has confirmed it for guard.mass_hold.",
    ),
    _Behaviour(
        _any_registry,
        "Endpoints with the same address and port are sent once; an entry has at most 100 service ports.",
    ),
    _Behaviour(
        lambda settings: True,
        "Versions are hashes of content, in metadata.version: istiod applies everything once at the switch, then only "
        "what changed. Slime sends no version, and istiod rewrites everything at each push.",
    ),
    _Behaviour(
        lambda settings: settings.nacos_source.enabled,
        "Nacos: disabled instances and those of weight 0 follow the registry; services that differ only in case or "
        "`_` are merged and reported, where in Slime one overwrites the other.",
    ),
    _Behaviour(
        lambda settings: settings.eureka_source.enabled,
        "Eureka: deltas, selectors, relabelling, naming and aliases count, and a reading tries every peer.",
    ),
    _Behaviour(
        lambda settings: settings.zookeeper_source.enabled,
        "ZooKeeper: an interface that is removed while watching is emptied (Slime keeps its endpoints); host names and "
        "IPv6 addresses of providers are taken; helper nodes beside the interfaces are not read.",
    ),
    _Behaviour(
        lambda settings: settings.zookeeper_source.enabled and settings.zookeeper_source.enable_dubbo_sidecar,
        "Sidecars of applications that neither provide nor consume any more are removed; Slime never removes one.",
    ),
    _Behaviour(
        lambda settings: settings.k8s_source.enabled,
        "Static files: a file that istiod would reject is refused as a whole, with its place, and keeps its last good "
        "content.",
    ),
    _Behaviour(
        lambda settings: True,
        "/meshregistry/args shows no secrets; `ver` of xdsCache is a sequence number; pages answer GET only, but for "
        "the log level, which http.token opens.",
    ),
)
