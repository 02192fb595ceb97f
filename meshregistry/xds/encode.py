"""Responses as bytes: a small part of each stream's own around chunks that all streams share.

Field numbers: envoy/service/discovery/v3/discovery.proto. Resources arrive encoded (`wire.resource`), so a response
is a join; joins happen page by page and are cached on the page, so the same bytes serve every client, and a commit
costs the pages it touched.
"""

from collections.abc import Iterable, Iterator
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from meshregistry.model.service_entry import Kind
from meshregistry.wire.protobuf import frame, text, varint
from meshregistry.wire.resource import RESOURCE_URL, Resource
from meshregistry.xds.delta import DeltaContent
from meshregistry.xds.differences import Part
from meshregistry.xds.incremental import IncrementalContent
from meshregistry.xds.protocol import Push
from meshregistry.xds.sotw import SotwContent
from meshregistry.xds.views import Page, View

_CHUNK_BYTES: Final = 64 * 1024
_MAX_BODIES: Final = 4
_PAGES_PER_SLICE: Final = 8
"""Of pages that are not encoded yet; about 500 resources: one to two milliseconds."""

# The shortest type URLs that istiod accepts: it looks only at what follows the last slash (pkg/adsc/adsc.go).
_STUB_RESOURCE: Final = text(b"\x0a", "/istio.mcp.v1alpha1.Resource")
_STUB_BODY: Final = frame(b"\x12", text(b"\x0a", f"/istio.networking.v1alpha3.{Kind.SERVICE_ENTRY}"))
_TOMBSTONE_RESOURCE: Final = text(b"\x0a", RESOURCE_URL)
_REVISION_LABEL: Final = frame(b"\x0a", b"istio.io/rev")


_Key = tuple[View, View | None]


class Body(msgspec.Struct, frozen=True):
    """The encoded resources of a response, in chunks that may be shared and must not be changed."""

    chunks: tuple[bytes, ...]
    size: int
    resources: int
    stubs: int = 0


class Message(msgspec.Struct, frozen=True):
    """One whole response: `size` bytes, in order head, body, tail."""

    head: bytes
    body: Body
    tail: bytes

    @property
    def size(self) -> int:
        """Bytes of the message without gRPC's own frame."""
        return len(self.head) + self.body.size + len(self.tail)


class BodyCache:
    """Owns the last few bodies of whole views, finished or begun, so that streams in step share one.

    Older ones are dropped; whoever works on one goes on with it. The bodies of delta responses live as long as the
    parts that they encode.
    """

    def __init__(self) -> None:
        self._bodies: dict[_Key, Body] = {}
        self._begun: dict[_Key, list[bytes]] = {}
        self._deltas: WeakKeyDictionary[Part, Body] = WeakKeyDictionary()

    def build(self, content: SotwContent) -> Iterator[Body | None]:
        """Build the body of a SotW response: yields None after each slice of work, and the body at last."""
        if content.view is None:
            yield _gather((_full(resource) for resource in content.selected), len(content.selected))
            return
        key = (content.view, content.base)
        if key not in self._bodies:
            # Streams in step take turns: each goes on where the one before it stopped.
            encoded = self._begun.setdefault(key, [])
            _trim(self._begun)
            while missing := content.view.pages[len(encoded) :]:
                encoded += _encode_slice(missing, content.base)
                yield None
            self._finish(key, encoded)
        yield self._bodies[key]

    def build_delta(self, part: Part) -> Body:
        """Build the body of a delta response: its resources."""
        body = self._deltas.get(part)
        if body is None:
            body = self._deltas[part] = _gather(map(_encode_run, part.runs), part.resources)
        return body

    def _finish(self, key: _Key, encoded: list[bytes]) -> None:
        if key in self._bodies:
            return
        view, base = key
        stubs = 0 if base is None else _count_stubs(view, base)
        self._bodies[key] = _gather(encoded, view.count, stubs)
        self._begun.pop(key, None)
        _trim(self._bodies)


def _trim(bodies: dict[_Key, Body] | dict[_Key, list[bytes]]) -> None:
    if len(bodies) > _MAX_BODIES:
        bodies.pop(next(iter(bodies)))


def encode(push: Push, bodies: BodyCache, control_plane: str) -> Iterator[Message | None]:
    """Build the response to a push: yields None after each slice of work, and the message at last."""
    content = push.content
    if isinstance(content, DeltaContent):
        yield _wrap_delta(push, content, bodies.build_delta(content.part), control_plane)
        return
    assert isinstance(content, SotwContent)
    for body in bodies.build(content):
        yield None if body is None else _wrap_sotw(push, body, control_plane)


def _wrap_sotw(push: Push, body: Body, control_plane: str) -> Message:
    content, tail = push.content, b""
    if isinstance(content, IncrementalContent):
        tail = b"".join(_tombstone(name, revision) for name, revision in content.tombstones)
    tail += text(b"\x22", push.type_url) + text(b"\x2a", push.nonce) + frame(b"\x32", text(b"\x0a", control_plane))
    return Message(head=text(b"\x0a", content.version), body=body, tail=tail)


def _wrap_delta(push: Push, content: DeltaContent, body: Body, control_plane: str) -> Message:
    tail = [text(b"\x22", push.type_url), text(b"\x2a", push.nonce)]
    tail += [text(b"\x32", name) for name in content.part.removed]
    tail += [frame(b"\x3a", text(b"\x0a", control_plane))]
    return Message(head=text(b"\x0a", content.version), body=body, tail=b"".join(tail))


def _encode_run(run: Page | Resource) -> bytes:
    return _cached(run, "delta", map(_delta_frame, run.resources)) if isinstance(run, Page) else _delta_frame(run)


def _delta_frame(resource: Resource) -> bytes:
    named = text(b"\x0a", resource.version), frame(b"\x12", resource.any_bytes), text(b"\x1a", resource.name)
    return frame(b"\x12", b"".join(named))


def _encode_slice(pages: Iterable[Page], base: View | None) -> Iterator[bytes]:
    """Encode pages up to the last one that is worth the time of a turn; those that are encoded already cost none."""
    left = _PAGES_PER_SLICE
    form = "full" if base is None else "stubs"
    for page in pages:
        ready = page.bytes_by_form.get(form) if base is None or base.has_page(page) else None
        if ready is not None:
            yield ready
            continue
        yield _encode_page(page, base)
        left -= 1
        if not left:
            return


def _encode_page(page: Page, base: View | None) -> bytes:
    """Return a page in full, or with stubs for everything that `base` holds at the same version."""
    if base is None:
        return _cached(page, "full", map(_full, page.resources))
    new = base.find_new(page)
    if not new:
        return _cached(page, "stubs", map(_stub, page.resources))
    names = {resource.name for resource in new}
    return b"".join(_full(resource) if resource.name in names else _stub(resource) for resource in page.resources)


def _cached(page: Page, form: str, parts: Iterable[bytes]) -> bytes:
    encoded = page.bytes_by_form.get(form)
    if encoded is None:
        encoded = page.bytes_by_form[form] = b"".join(parts)
    return encoded


def _count_stubs(view: View, base: View) -> int:
    return view.count - sum(len(base.find_new(page)) for page in view.pages)


def _full(resource: Resource) -> bytes:
    return b"\x12" + varint(len(resource.any_bytes)) + resource.any_bytes


def _stub(resource: Resource) -> bytes:
    """Return the version stub: name, version, the revision label if there is one, and a body without content.

    A missing body or an empty type URL would delete the resource in istiod, and so would a foreign revision.
    """
    metadata = text(b"\x0a", resource.name) + text(b"\x1a", resource.version) + _label(resource.revision)
    return frame(b"\x12", _STUB_RESOURCE + frame(b"\x12", frame(b"\x0a", metadata) + _STUB_BODY))


def _tombstone(name: str, revision: str) -> bytes:
    """Return a resource without a body.

    The client refuses the whole response for a missing creation time, and skips a label of a foreign revision
    (slime-io/istio-mcp pkg/config/mcp.go).
    """
    metadata = text(b"\x0a", name) + frame(b"\x12", b"") + _label(revision)
    return frame(b"\x12", _TOMBSTONE_RESOURCE + frame(b"\x12", frame(b"\x0a", metadata)))


def _label(revision: str) -> bytes:
    return frame(b"\x22", _REVISION_LABEL + text(b"\x12", revision)) if revision else b""


def _gather(parts: Iterable[bytes], resources: int, stubs: int = 0) -> Body:
    """Join small parts to chunks worth a write of their own; large parts stay the shared objects they are."""
    chunks: list[bytes] = []
    waiting: list[bytes] = []
    waiting_bytes = 0
    for part in parts:
        waiting.append(part)
        waiting_bytes += len(part)
        if waiting_bytes >= _CHUNK_BYTES:
            chunks.append(b"".join(waiting) if len(waiting) > 1 else part)
            waiting, waiting_bytes = [], 0
    if waiting:
        chunks.append(b"".join(waiting))
    return Body(tuple(chunks), sum(map(len, chunks)), resources, stubs)
