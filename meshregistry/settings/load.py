"""Loads settings: text in, frozen settings and warnings out, or every fault at once.

The steps: find the settings in the text, decode them along the schema, fill the rest from a wrapper's `global.misc`,
from the environment and from the profile, validate, expand macros, check fields against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from yaml.nodes import Node

from meshregistry.errors import SettingsError
from meshregistry.settings.decode import Draft, Plain, decode_section
from meshregistry.settings.document import Document, Entry, is_null, read_document
from meshregistry.settings.environment import apply_environment, fill
from meshregistry.settings.fields import Section
from meshregistry.settings.findings import Finding, Origin, Path, sorted_lines
from meshregistry.settings.root import Settings
from meshregistry.settings.rules import find_conflicts, rectify
from meshregistry.settings.validation import apply_profile, validate

_SLIME_MODES = (
    ("nacos_source", ("auto", "polling", "watching"), "polling"),
    ("zookeeper_source", ("polling", "watching"), "watching"),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings ready for use, and what the user should hear about their file."""

    settings: Settings
    warnings: list[str]
    unknown: frozenset[str] = frozenset()
    """Paths of keys that nobody knows, where they are only a warning (inside Slime's wrappers)."""

    origins: Mapping[Path, Origin] = field(default_factory=dict)
    """Where each value was written: the file, or a variable of the environment; what is not here is a default."""

    has_settings: bool = True
    """Whether the text holds settings at all, as opposed to nothing or an empty wrapper."""


def load_settings(
    text: str, environ: Mapping[str, str], *, base_dir: FilePath | None = None, bundle: str = ""
) -> Loaded:
    """Return the settings in a YAML or JSON text.

    `environ` is the environment (fallbacks and `${NAME}` references), `base_dir` the directory that relative `file:`
    references start from, `bundle` the configuration of the bundle that the text is a module of. Raises SettingsError
    with every fault of the text, in the order of the file.
    """
    document = read_document(text, bundle)
    draft = Draft(environ, base_dir, document.wrapped)
    draft.warnings.extend(document.warnings)
    if document.root is not None:
        draft.data = _decode(document.root, draft)
    _apply_misc(document, draft)
    apply_environment(draft)
    _soften_modes(draft)
    explicit = dict(draft.origins)
    apply_profile(draft)
    faulty = {fault.path for fault in draft.faults}
    settings = validate(draft, faulty)
    draft.warnings.extend(_find_idle(settings, (), draft))
    draft.warnings.extend(_find_shared_dialect(settings, draft))
    settings = rectify(settings, explicit)
    _check(settings, draft, faulty)
    if draft.faults:
        raise SettingsError(sorted_lines(draft.faults))
    unknown = frozenset(draft.unknown)
    return Loaded(settings, sorted_lines(draft.warnings), unknown, explicit, _holds_any(document.root))


def _decode(root: Node, draft: Draft) -> dict[str, Plain]:
    try:
        return decode_section(root, Settings, (), draft)
    except RecursionError:  # the schema has an end, a chain of merge keys has none
        raise SettingsError(["settings: merge keys (`<<`) nested too deeply"]) from None


def _holds_any(root: Node | None) -> bool:
    return root is not None and not is_null(root) and bool(root.value)


def _apply_misc(document: Document, draft: Draft) -> None:
    """Take what Slime's framework reads from a wrapper's `global.misc`; the settings themselves win."""
    address = document.misc.get("aux-addr")
    if address and address.value.value:
        fill(draft, ("aux_addr",), str(address.value.value), address.origin)
    redirect = document.misc.get("pathRedirect")
    if redirect and redirect.value.value:
        fill(draft, ("http", "path_redirect"), _redirects(redirect, draft), redirect.origin)


def _redirects(entry: Entry, draft: Draft) -> Plain:
    pairs: dict[str, Plain] = {}
    for part in str(entry.value.value).split(","):
        alias, arrow, page = part.partition("->")
        if arrow and "->" not in page:
            pairs[alias] = page
        else:
            message = f"expected alias->page, found {part!r}; ignored as Slime does"
            draft.warnings.append(Finding(("http", "path_redirect"), entry.origin, message))
    return pairs


def _soften_modes(draft: Draft) -> None:
    """Give a mode unknown to Slime, inside its wrappers, the meaning it has there."""
    for name, modes, meaning in _SLIME_MODES:
        section = draft.data.get(name)
        mode = section.get("mode") if draft.wrapped and isinstance(section, dict) else None
        if isinstance(section, dict) and isinstance(mode, str) and mode.lower() not in modes:
            path: Path = (name, "mode")
            message = f"unknown mode, taken as {meaning} as Slime does"
            draft.warnings.append(Finding(path, draft.origin(path), message))
            section["mode"] = meaning


def _find_idle(section: Section, path: Path, draft: Draft) -> list[Finding]:
    """Return a warning for each field that was set, differs from its default and has no effect there."""
    found = []
    for name, info in type(section).model_fields.items():
        here = (*path, name)
        value = getattr(section, name)
        idle = section.idle.get(name)
        if idle and here in draft.origins and value != info.default:
            found.append(Finding(here, draft.origins[here], f"accepted, but without effect: {idle}"))
        elif isinstance(value, Section):
            found += _find_idle(value, here, draft)
        elif isinstance(value, tuple):
            items = [(index, item) for index, item in enumerate(value) if isinstance(item, Section)]
            found += [finding for index, item in items for finding in _find_idle(item, (*here, index), draft)]
    return found


def _find_shared_dialect(settings: Settings, draft: Draft) -> list[Finding]:
    """Return a warning when Slime's switch for its private dialect is on: here a listener has to ask for it."""
    path: Path = ("mcp", "enable_inc_push")
    message = "without effect: the dialect needs a listener of its own, see enable_inc_push of mcp.listeners"
    return [Finding(path, draft.origin(path), message)] if settings.mcp.enable_inc_push else []


def _check(settings: Settings, draft: Draft, faulty: set[Path]) -> None:
    tainted = {path[:length] for path in faulty for length in range(2, len(path) + 1)}
    for conflict in find_conflicts(settings):
        if not tainted.intersection(conflict.involved):
            draft.conflict(*conflict)
    if not any(source.enabled for source in settings.sources().values()) and not draft.faults:
        draft.warnings.append(Finding((), None, "no source is enabled: only empty lists are served"))
    files = settings.k8s_source
    if files.enabled and not (files.enable_config_file and files.config_path):
        path: Path = ("k8s_source", "enabled")
        message = "without effect: as in Slime, files are read with enable_config_file and config_path only"
        draft.warnings.append(Finding(path, draft.origin(path), message))
