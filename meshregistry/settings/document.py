"""Finds the settings in a file: YAML or JSON, bare or inside one of Slime's wrappers, with line numbers.

Wrappers: a SlimeBoot resource (`spec.module[]`), the values of its chart (`module[]`), one module configuration. The
settings are the object under `general.LEGACY` (Slime module/module.go `ParseArgsFromModuleConfig`).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml
from yaml.composer import ComposerError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from meshregistry.errors import SettingsError
from meshregistry.settings.findings import Finding, Origin, line_origin

_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_MODULE = "meshregistry"


class Entry(NamedTuple):
    """One key of a mapping with its value."""

    key: str
    origin: Origin
    value: Node


@dataclass(frozen=True, slots=True)
class Document:
    """The settings of a file; `root` is None when it has none, `misc` is a wrapper's `global.misc`."""

    root: Node | None
    wrapped: bool
    misc: dict[str, Entry] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()


def read_document(text: str, bundle: str = "") -> Document:
    """Return where the settings are in a text; raises SettingsError when there is no telling.

    `bundle` is the configuration of the bundle that the text is a module of, "" when it is of none.
    """
    nodes = [node for node in _compose(text) if node is not None and not is_null(node)]
    if not nodes:
        return Document(None, wrapped=False)
    boots = [node for node in nodes if _scalar(node, "kind") == "SlimeBoot"]
    if len(nodes) > 1 and len(boots) != 1:
        raise _fault(nodes[1], "several documents; expected one, or exactly one SlimeBoot among them")
    return _unwrap(boots[0] if boots else nodes[0], _first(bundle))


def find_bundled(text: str) -> str | None:
    """Return the name of our module in a bundle's own configuration, "" when it has none; None for anything else."""
    try:
        bundle = _child(_first(text), "bundle")
    except SettingsError:
        return None
    if bundle is None:
        return None
    modules = _child(bundle, "modules")
    listed = modules.value if isinstance(modules, SequenceNode) else []
    return next((_scalar(module, "name") for module in listed if _kind(module) == _MODULE), "")


def _first(text: str) -> Node | None:
    return next((node for node in _compose(text) if node is not None), None)


class _Loader(yaml.SafeLoader):
    def compose_scalar_node(self, anchor: dict[object, Node]) -> ScalarNode:
        """Join the surrogate pairs with which JSON escapes rare characters; PyYAML leaves them apart."""
        node = super().compose_scalar_node(anchor)
        try:
            node.value = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise ComposerError(None, None, "half of a surrogate pair", node.start_mark) from None
        return node


# YAML 1.1 wants a dot in a float; JSON, which a settings file may be, does not.
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"-?[0-9]+[eE][-+]?[0-9]+\Z"), list("-0123456789"))


def _compose(text: str) -> list[Node | None]:
    try:
        return list(yaml.compose_all(_without_tabs(text), Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = f"not valid YAML: {error.problem}"
    except yaml.reader.ReaderError as error:
        line, problem = 1, f"not valid YAML: {error.reason} at character {error.position}"
    except RecursionError:
        line, problem = 1, "nested too deeply"
    # Raised outside the handlers: a chained YAML error would print the line, which may hold a secret.
    raise SettingsError([str(Finding((), line_origin(line), problem))])


def _without_tabs(text: str) -> str:
    """Return JSON with its tabs as spaces (they only separate there); the YAML scanner knows no tabs."""
    if not text.lstrip().startswith("{") or "\t" not in text:
        return text
    try:
        json.loads(text)
    except ValueError:
        return text
    return text.replace("\t", " ")


def is_null(node: Node) -> bool:
    """Return whether a node is YAML's null."""
    return isinstance(node, ScalarNode) and node.tag == _NULL


def origin_of(node: Node) -> Origin:
    """Return the line on which a node starts."""
    return line_origin(node.start_mark.line + 1)


def entries(node: MappingNode) -> Iterator[Entry]:
    """Yield the entries of a mapping, merge keys (`<<`) expanded: what stands in the mapping itself wins."""
    yield from _entries(node, set())


def _entries(node: MappingNode, seen: set[int]) -> Iterator[Entry]:
    if id(node) in seen:
        return
    seen.add(id(node))
    own = [(key, value) for key, value in node.value if key.tag != _MERGE]
    names = {key.value for key, _ in own if isinstance(key, ScalarNode)}
    for key, value in own:
        text = key.value if isinstance(key, ScalarNode) else "?"
        yield Entry(text, origin_of(key), value)
    for key, value in node.value:
        if key.tag == _MERGE:
            for part in value.value if isinstance(value, SequenceNode) else [value]:
                merged = list(_entries(part, seen)) if isinstance(part, MappingNode) else []
                yield from (entry for entry in merged if entry.key not in names)
                names.update(entry.key for entry in merged)


def _unwrap(node: Node, bundle: Node | None) -> Document:
    if _scalar(node, "kind") == "SlimeBoot":
        return _select_module(node, _child(_child(node, "spec"), "module"))
    if isinstance(_child(node, "module"), SequenceNode):
        return _select_module(node, _child(node, "module"))
    if _child(node, "general") is not None or _scalar(node, "kind").lower() == _MODULE:
        return _module(node, main=bundle)
    if _child(node, "bundle") is not None:
        raise _fault(node, "this is a bundle's own configuration; the settings are in the one of its module")
    if _child(node, "apiVersion") is not None and _scalar(node, "kind"):
        raise _fault(node, f"expected settings or a SlimeBoot resource, found kind {_scalar(node, 'kind')}")
    return Document(node, wrapped=False)


def _select_module(node: Node, modules: Node | None) -> Document:
    listed = modules.value if isinstance(modules, SequenceNode) else []
    chosen = [module for module in listed if _kind(module) == _MODULE and _child(module, "bundle") is None]
    if len(chosen) != 1:
        raise _fault(node, f"expected one module of kind {_MODULE}, found {len(chosen)}")
    bundles = [module for module in listed if _child(module, "bundle") is not None]
    return _module(chosen[0], main=bundles[0] if bundles else None)


def _kind(module: Node) -> str:
    return (_scalar(module, "kind") or _scalar(module, "name")).lower()


def _module(node: Node, main: Node | None) -> Document:
    misc: dict[str, Entry] = {}
    for owner in (node, main):  # the bundle's own settings win: Slime reads the main module's
        found = _child(_child(owner, "global"), "misc")
        if isinstance(found, MappingNode):
            misc.update((entry.key, entry) for entry in entries(found))
    warnings = []
    if _scalar(node, "enable").lower() in ("false", "off", "no"):
        warnings.append(Finding(("enable",), origin_of(node), "the module is off; it is read all the same"))
    return Document(_legacy(node), wrapped=True, misc=misc, warnings=tuple(warnings))


def _legacy(node: Node) -> Node | None:
    general = _child(node, "general")
    if not isinstance(general, MappingNode):
        return None
    return next((entry.value for entry in entries(general) if entry.key.upper() == "LEGACY"), None)


def _child(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    return next((entry.value for entry in entries(node) if entry.key == key), None)


def _scalar(node: Node, key: str) -> str:
    found = _child(node, key)
    return str(found.value) if isinstance(found, ScalarNode) else ""


def _fault(node: Node, message: str) -> SettingsError:
    return SettingsError([str(Finding((), origin_of(node), message))])
