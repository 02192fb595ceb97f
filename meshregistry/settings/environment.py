"""Environment variables that Slime reads, as fallbacks: what a settings file says wins over them.

The environment is handed in; an empty variable counts as not set. Source of the names and forms: Slime pkg/features,
istio-mcp pkg/features.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from meshregistry.settings.decode import Draft, Plain
from meshregistry.settings.findings import Finding, Origin, Path

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def _split_list(text: str) -> Plain:
    return tuple(part.strip() for part in text.split(","))


def _split_nonempty(text: str) -> Plain:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _split_pairs(text: str, separator: str) -> Plain:
    pairs: dict[str, Plain] = {}
    for part in text.split(","):
        key, found, value = part.partition(separator)
        if part.strip() and not (found and key.strip()):
            raise ValueError(f"expected name{separator}value pairs with commas between them")
        if part.strip():
            pairs[key.strip()] = value.strip()
    return pairs


def _split_assignments(text: str) -> Plain:
    return _split_pairs(text, "=")


def _split_revisions(text: str) -> Plain:
    return _split_pairs(text, ":")


def _parse_bool(text: str) -> Plain:
    if text not in _TRUE + _FALSE:
        raise ValueError("expected true or false")
    return text in _TRUE


class Variable(NamedTuple):
    """One variable, the field it fills, and how its text is read."""

    name: str
    path: tuple[str, str]
    parse: Callable[[str], Plain] = str


VARIABLES = (
    Variable("LOCALITY_LABELS", ("conversion", "locality_labels"), _split_list),
    Variable("ENDPOINT_RELABEL_ITEMS", ("conversion", "endpoint_relabel_items"), _split_assignments),
    Variable("MESH_REG_ISTIO_REVISION", ("conversion", "istio_revision")),
    Variable("REGISTRY_ID_META_KEY", ("conversion", "registry_id_meta_key")),
    Variable("SKIP_VALIDATE_LABEL_VALUE", ("conversion", "skip_validate_label_value"), _parse_bool),
    Variable("SE_LABEL_SELECTOR_KEYS", ("conversion", "se_label_selector_keys"), _split_nonempty),
    Variable("NACOS_CLIENT_HEADERS", ("nacos_source", "client_headers"), _split_assignments),
    Variable("CLUSTER_ID", ("k8s", "cluster_id")),
    Variable("POD_NAMESPACE", ("k8s", "cluster_registries_namespace")),
    Variable("POD_NAME", ("mcp", "control_plane_id")),
    Variable("STRICT_ISTIO_REV", ("mcp", "strict_istio_rev"), _parse_bool),
    Variable("EXTRA_REV_MAP", ("mcp", "extra_rev_map"), _split_revisions),
    Variable("XDS_SEND_TIMEOUT", ("mcp", "send_timeout")),
    Variable("FORCE_UPDATE_JITTER_DURATION", ("zookeeper_source", "watching_resync_jitter")),
    Variable("ZK_RESYNC_WATCH_PERIOD", ("zookeeper_source", "watching_resync_period")),
)

OBJECTS: Mapping[str, str] = {
    "DYNAMIC_CONFIG_MAP": "the ConfigMap in POD_NAMESPACE whose `cfg_meshregistry` counts in place of the file",
    "WATCHING_REGISTRYSOURCE": "the RegistrySource in POD_NAMESPACE whose selectors are added to the settings'",
}
"""Variables that name objects of Kubernetes with settings in them: name → what the object is."""

WITHOUT_EFFECT: Mapping[str, str] = {
    "SENT_NONCE_RECORD_NUM": "nonces are compared as the xDS protocol says",
    "MCP_XDS_GRPC_MAXRECVMSGSIZE": "it limits clients, in Slime too; a limit for requests is mcp.max_request_bytes",
    "MCP_XDS_GPRC_MAXRECVMSGSIZE": "it limits clients, in Slime too; a limit for requests is mcp.max_request_bytes",
    "MCP_INC_PUSH": "nothing in Slime's server reads it",
    "MCP_HTTP_URL": "Slime's long-poll server, which always answers that nothing has changed, is not served",
}
"""Variables of Slime's on which we do not act: name → why."""


def apply_environment(draft: Draft) -> None:
    """Fill what the file leaves at its default from the draft's environment."""
    for variable in VARIABLES:
        text = draft.environ.get(variable.name, "")
        if text:
            _apply(variable, text, draft)
    for name, why in WITHOUT_EFFECT.items():
        if draft.environ.get(name):
            draft.warnings.append(Finding(("environment", name), None, f"without effect: {why}"))


def _apply(variable: Variable, text: str, draft: Draft) -> None:
    try:
        value = variable.parse(text)
    except ValueError as error:
        path: Path = variable.path
        draft.faults.append(Finding(path, Origin(0, f"environment {variable.name}"), str(error)))
        return
    fill(draft, variable.path, value, Origin(0, f"environment {variable.name}"))


def fill(draft: Draft, path: tuple[str, str] | tuple[str], value: Plain, origin: Origin) -> None:
    """Set a field that the file does not set."""
    owner = draft.data
    for name in path[:-1]:
        inner = owner.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        owner = inner
    if path[-1] not in owner and path not in draft.origins:
        owner[path[-1]] = value
        draft.origins[path] = origin
