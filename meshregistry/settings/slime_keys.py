"""Generates the table of every key of Slime's: `python -m meshregistry.settings.slime_keys docs/slime-migration.md`.

Source of the keys: Slime pkg/bootstrap/args.go, as the schema repeats them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic.fields import FieldInfo

from meshregistry.settings.environment import OBJECTS, VARIABLES, WITHOUT_EFFECT
from meshregistry.settings.eureka import EurekaServer, EurekaSource
from meshregistry.settings.fields import Section, spec_of
from meshregistry.settings.kubernetes import Kubernetes, KubernetesSource
from meshregistry.settings.mcp import Mcp
from meshregistry.settings.nacos import NacosServer, NacosSource
from meshregistry.settings.render import printable_value
from meshregistry.settings.root import Settings
from meshregistry.settings.selection import (
    AdditionalMeta,
    EndpointSelector,
    InstanceMetaRelabel,
    IpRanges,
    LabelRequirement,
    NamingItem,
    RelabelItem,
    ServiceHostAlias,
    ServiceNameConverter,
    ServiceSelector,
)
from meshregistry.settings.source import Source
from meshregistry.settings.zookeeper import WatchingDebounce, ZookeeperSource

BEGIN, END = "<!-- keys: generated -->\n", "<!-- end of keys -->\n"

SAME, BETTER, WARNING = "same", "better", "warning"
"""As in Slime; as in Slime but for what the note says; accepted with a warning, because nothing can come of it."""


NO_KEY = "–"
"""In place of a key where Slime has none and does something else than our default."""


class KeyRow(NamedTuple):
    """One key of Slime's and what becomes of it."""

    key: str
    here: str
    status: str
    default: str
    note: str


PLACES: tuple[tuple[str, type[Section], str], ...] = (
    ("", Settings, ""),
    ("Mcp", Mcp, "mcp"),
    ("K8S", Kubernetes, "k8s"),
    ("K8SSource", KubernetesSource, "k8s_source"),
    ("ZookeeperSource", ZookeeperSource, "zookeeper_source"),
    ("EurekaSource", EurekaSource, "eureka_source"),
    ("NacosSource", NacosSource, "nacos_source"),
    ("EurekaSource.Servers[]", EurekaServer, "eureka_source.servers[]"),
    ("NacosSource.Servers[]", NacosServer, "nacos_source.servers[]"),
    ("WatchingDebounce", WatchingDebounce, "watching_debounce"),
    ("MethodLBServiceSelectors[]", ServiceSelector, "method_lb_service_selectors[]"),
    ("EndpointSelectors[]", EndpointSelector, "endpoint_selectors[]"),
    ("matchExpressions[]", LabelRequirement, "match_expressions[]"),
    ("ExcludeIPRanges", IpRanges, "exclude_ip_ranges"),
    ("ServiceNaming", ServiceNameConverter, "service_naming"),
    ("ServiceNaming.Items[]", NamingItem, "service_naming.items[]"),
    ("InstanceMetaRelabel", InstanceMetaRelabel, "instance_meta_relabel"),
    ("InstanceMetaRelabel.Items[]", RelabelItem, "instance_meta_relabel.items[]"),
    ("ServiceHostAliases[]", ServiceHostAlias, "service_host_aliases[]"),
    ("ServiceAdditionalMetas{}", AdditionalMeta, "service_additional_metas{}"),
)
"""Slime's object, the section, and our path of it."""

_KINDS = {NacosSource: "nacos", ZookeeperSource: "zookeeper", EurekaSource: "eureka"}
_SOURCES = (NacosSource, ZookeeperSource, EurekaSource)


def list_keys() -> Iterator[KeyRow]:
    """Yield every key of the schema: those of all sources once, then object by object, then the environment."""
    for name, info in Source.model_fields.items():
        if spec_of(info).slime or spec_of(info).slime_default is not None:
            yield _common_row(name)
    for object_name, section, path in PLACES:
        for name, info in section.model_fields.items():
            spec = spec_of(info)
            is_common = name in Source.model_fields and issubclass(section, Source)
            if (spec.slime or spec.slime_default is not None) and not is_common:
                yield _row(object_name, section, path, name)
        for name, why in section.ignored.items():
            yield KeyRow(_join(object_name, name), NO_KEY, WARNING, "", _sentence(why))
    yield from _wrapper_rows()
    for variable in VARIABLES:
        yield KeyRow(variable.name, ".".join(variable.path), SAME, "", "Environment; the file wins.")
    for name, what in OBJECTS.items():
        yield KeyRow(name, NO_KEY, BETTER, "", f"Environment; {what}. Validated first; every source follows it.")
    for name, why in WITHOUT_EFFECT.items():
        yield KeyRow(name, NO_KEY, WARNING, "", f"Environment; {why}.")


def _wrapper_rows() -> Iterator[KeyRow]:
    yield KeyRow("global.misc.aux-addr", "aux_addr", SAME, "`:8081`", "Wrappers only.")
    yield KeyRow("global.misc.pathRedirect", "http.path_redirect", SAME, "none", "Wrappers only.")


def _row(object_name: str, section: type[Section], path: str, name: str) -> KeyRow:
    info = section.model_fields[name]
    spec = spec_of(info)
    note = section.idle.get(name, "") or spec.slime_note or ""
    status = WARNING if name in section.idle else BETTER if note else SAME
    return KeyRow(
        _join(object_name, spec.slime) if spec.slime else NO_KEY,
        _join(path, name),
        status,
        _defaults(info),
        _sentence(note),
    )


def _common_row(name: str) -> KeyRow:
    """Return the row of a key that every source has; the defaults are Nacos', ZooKeeper's and Eureka's."""
    spec = spec_of(NacosSource.model_fields[name])
    defaults = [_defaults(section.model_fields[name]) for section in _SOURCES]
    notes = [spec.slime_note or ""]
    further = [_KINDS[each] for each in _SOURCES if spec.slime_sources and _KINDS[each] not in spec.slime_sources]
    if further:
        notes.append(f"Has effect for {' and '.join(further)}, too; Slime ignores it there")
    is_better = bool(spec.slime_note or further)
    status = BETTER if is_better else SAME
    shown = defaults[0] if len(set(defaults)) == 1 else " / ".join(defaults)
    note = " ".join(map(_sentence, filter(None, notes)))
    return KeyRow(f"*Source.{spec.slime}" if spec.slime else NO_KEY, f"*_source.{name}", status, shown, note)


def _defaults(info: FieldInfo) -> str:
    """Return the default, with the one in profile slime and with Slime's where they differ."""
    spec = spec_of(info)
    if isinstance(info.default, Section):
        return ""
    text = _code(printable_value(info.default, info))
    if spec.slime_profile is not None:
        text += f"; profile slime {_code(spec.slime_profile)}"
    if spec.slime_default is not None and spec.slime_default != spec.slime_profile:
        text += f"; Slime {_code(spec.slime_default)}"
    return text


def _code(value: object) -> str:
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, list):
        return f"`{', '.join(map(str, value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _sentence(text: str) -> str:
    return "" if not text else f"{text[0].upper()}{text[1:].rstrip('.')}."


def _join(owner: str, name: str) -> str:
    return f"{owner}.{name}" if owner else name


def _name(text: str) -> str:
    return text if text == NO_KEY else f"`{text}`"


def render_keys() -> str:
    """Return the table as Markdown."""
    lines = ["| Slime | here | status | default | note |", "|---|---|---|---|---|"]
    lines += [
        f"| {_name(row.key)} | {_name(row.here)} | {row.status} | {row.default or '–'} "
        f"| {row.note.replace('|', chr(92) + '|')} |"
        for row in list_keys()
    ]
    return "\n".join(lines) + "\n"


def replace_table(page: str) -> str:
    """Return the page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render_keys()}\n{END}{after}"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(replace_table(place.read_text("utf-8")), "utf-8")
