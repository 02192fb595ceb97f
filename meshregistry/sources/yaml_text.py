"""YAML that others wrote: whatever is wrong with it is one error, and none of it can end the process. Pure."""

import yaml

from meshregistry.errors import MeshRegistryError

_MAX_DEPTH = 100
"""libyaml builds nested values by recursion in C, where a million brackets overflow the stack and end the process."""

_LONGEST_BASE_60 = 100
"""`1:1:1` is a number of base 60, and one of 60 KB takes half a second to compute."""

_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadYaml(MeshRegistryError):
    """Text that is no YAML, or none that is read; the message says where and why, without the text."""


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """Reads a number of base 60 that is longer than any time of day as the text that it is."""


def _read_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | str:
    return str(node.value) if _is_long(node) else loader.construct_yaml_int(node)


def _read_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float | str:
    return str(node.value) if _is_long(node) else loader.construct_yaml_float(node)


def _is_long(node: yaml.ScalarNode) -> bool:
    return isinstance(node.value, str) and len(node.value) > _LONGEST_BASE_60 and ":" in node.value


_Loader.add_constructor("tag:yaml.org,2002:int", _read_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _read_float)


def load_documents(text: str | bytes, max_depth: int = _MAX_DEPTH, *, with_aliases: bool = True) -> list[object]:
    """Return the values of every document. Raises BadYaml."""
    try:
        _measure(text, max_depth, with_aliases=with_aliases)
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadYaml(f"line {line}: {error.problem}") from None
    # PyYAML looks nowhere whether a text fits the tag before it (`!!bool x`, `!!int ''`, `!!timestamp x`).
    except (
        yaml.YAMLError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise BadYaml(f"not valid YAML: {type(error).__name__}") from None


def _measure(text: str | bytes, max_depth: int, *, with_aliases: bool) -> None:
    """Raise BadYaml for nesting that is too deep, and for aliases where they are not read."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > max_depth:
            raise BadYaml(f"line {_line(event.start_mark)}: nested too deeply")
        if isinstance(event, yaml.AliasEvent) and not with_aliases:
            raise BadYaml(f"line {_line(event.start_mark)}: aliases are not read")


def _line(mark: "yaml.error.Mark | yaml._yaml.Mark | None") -> int:
    return mark.line + 1 if mark else 1
