"""Turns decoded data into frozen settings: the profile's defaults first, then the schema, fault by fault."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from meshregistry.settings.decode import Draft, Plain, value_type
from meshregistry.settings.fields import Section, spec_of
from meshregistry.settings.findings import Path
from meshregistry.settings.root import Settings

_WRONG_TYPES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
}


def apply_profile(draft: Draft) -> None:
    """Fill the defaults that differ in the profile `slime`, the default profile inside Slime's wrappers."""
    draft.data.setdefault("profile", "slime" if draft.wrapped else "istio")
    if str(draft.data["profile"]).lower() == "slime":
        _fill_profile(draft.data, Settings)


def _fill_profile(data: dict[str, Plain], section: type[Section]) -> None:
    for name, info in section.model_fields.items():
        target = value_type(info.annotation)
        if isinstance(target, type) and issubclass(target, Section):
            if type(None) in getattr(info.annotation, "__args__", ()):
                continue
            inner = data.setdefault(name, {})
            if isinstance(inner, dict):
                _fill_profile(inner, target)
        default = spec_of(info).slime_profile
        if isinstance(default, str | bool):
            data.setdefault(name, default)


def validate(draft: Draft, faulty: set[Path]) -> Settings:
    """Return the settings, what is wrong left at its default; faults go to the draft."""
    while True:
        try:
            return Settings.model_validate(draft.data)
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            path = tuple(part for part in detail["loc"] if part != "[key]")
            draft.fault(path, _describe(detail))
            faulty.add(path)
        for detail in details:
            _prune(draft.data, detail["loc"])


def _describe(detail: ErrorDetails) -> str:
    """Return what is wrong with a value without the value, which may be secret."""
    context = detail.get("ctx", {})
    if detail["type"] in _WRONG_TYPES:
        return f"expected {_WRONG_TYPES[detail['type']]}, found {_kind(detail['input'])}"
    if detail["type"] == "literal_error":
        return f"expected {context['expected']}"
    if detail["type"] == "value_error":
        return str(context["error"])
    return detail["msg"].replace("Input should be", "must be", 1)


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "a number"


def _prune(data: dict[str, Plain], path: Path) -> None:
    """Remove the field at a path, or the list or field around it that can be removed."""
    owner = data
    for index, part in enumerate(path):
        inner = owner.get(str(part))
        if index == len(path) - 1 or not isinstance(inner, dict):
            owner.pop(str(part), None)
            return
        owner = inner
