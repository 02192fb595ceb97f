"""Type URLs: what each of them is served with.

istiod asks for `group/version/Kind` names, one request per kind, and is ready only when each was answered
(istiod pkg/adsc/adsc.go, ConfigInitialRequests and HasSynced). The list grows with every release, so every URL
we do not serve, odd ones included, is answered with an empty list instead of an error.
"""

from enum import Enum
from typing import Final

from meshregistry.model.service_entry import ISTIO_KINDS, Kind
from meshregistry.wire.private import DECISION_URL, STATE_URL

MESH_CONFIG: Final = "core/v1alpha1/MeshConfig"

_GROUP: Final = "networking.istio.io"
_VERSIONS: Final = ("v1alpha3", "v1beta1", "v1")
_SERVED: Final = {f"{_GROUP}/{version}/{kind}": kind for kind in ISTIO_KINDS for version in _VERSIONS}
_PRIVATE: Final = {STATE_URL: Kind.STATE, DECISION_URL: Kind.DECISION}
_VERSION_STUBS: Final = f"{_GROUP}/v1/{Kind.SERVICE_ENTRY}"


class Answer(Enum):
    """How a type URL is answered when no kind of ours is behind it."""

    EMPTY = "empty"
    """Once per stream with an empty list, so that the client may count the type as synced."""

    SILENCE = "silence"
    """Never: an istiod takes an answer to MeshConfig for mesh configuration and does not need one."""


def served_kind(type_url: str) -> Kind | None:
    """Return the kind behind a type URL; all API versions of a kind are the same resources. None: nothing is served."""
    return _SERVED.get(type_url) or _PRIVATE.get(type_url)


def unserved_answer(type_url: str) -> Answer:
    """Return how to answer a type URL for which `served_kind` is None."""
    return Answer.SILENCE if type_url == MESH_CONFIG else Answer.EMPTY


def accepts_version_stubs(type_url: str, generator: str) -> bool:
    """Tell whether the client asks in the way of istiod 1.24 and later, whose handling of stubs is known.

    `generator` is the node metadata value GENERATOR.
    """
    return generator == "api" and type_url == _VERSION_STUBS
