"""The namespaces of a registry: their ids and the names shown to people.

Slime pkg/source/nacos/client.go: a configured namespace may be either; what is in neither list is taken for an id,
for services may be registered in a namespace that was never created.
"""

import re
from collections.abc import Mapping

import msgspec

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.decoding import understood
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.options import DEFAULT_NAMESPACE

_MADE_BY_NACOS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Namespace(msgspec.Struct, rename="camel"):
    namespace: str
    namespace_show_name: str | None = None


class _Answer(msgspec.Struct):
    data: list[_Namespace]


_ANSWER = msgspec.json.Decoder(_Answer)


def decode_namespaces(body: bytes) -> dict[str, str]:
    """Return id → shown name; `public` is listed as "" by 1.x and 2.x. Raises SourceDataError."""
    answer = understood(_ANSWER.decode, body)
    return {each.namespace or DEFAULT_NAMESPACE: each.namespace_show_name or "" for each in answer.data}


async def list_namespaces(connection: Connection) -> dict[str, str]:
    """Ask a node. Raises AccessDenied or NotOffered when it refuses, otherwise SourceError; cancelling it is safe."""
    path = connection.dialect.namespaces_path
    try:
        return decode_namespaces(await connection.get(path, {}))
    except SourceDataError as error:
        raise connection.fault(path, error) from error


class NamespaceNames:
    """What configured names stand for. Owner of the translations found so far; they are kept for ever, as by Slime."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {DEFAULT_NAMESPACE: DEFAULT_NAMESPACE}
        self.refused: SourceError | None = None
        """Why the list is not available, so that unknown names are taken for ids."""

    def id_of(self, name: str) -> str:
        """Return the id a configured name stands for as far as is known; the name itself if nothing is."""
        return self._ids.get(name, name)

    def knows(self, name: str) -> bool:
        """Whether the name was found in a list."""
        return name in self._ids

    def knows_id(self, namespace: str) -> bool:
        """Whether the id was found in a list."""
        return namespace in self._ids.values()

    def error_if_empty(self, namespace: str) -> SourceError | None:
        """Return the error that reading a namespace as empty is: without a list its id may be a shown name.

        None where that is impossible. The ids that Nacos makes itself are no names anybody would show.
        """
        if self.refused is None or self.knows_id(namespace) or _MADE_BY_NACOS.fullmatch(namespace):
            return None
        text = f"{namespace!r} reads empty, and may be the name that another namespace is shown by: {self.refused}"
        return SourceAuthError(text) if isinstance(self.refused, SourceAuthError) else SourceUnavailable(text)

    def learn(self, names: frozenset[str], listed: Mapping[str, str]) -> None:
        """Look configured names up in a list: ids first, then shown names."""
        by_shown_name = {shown: namespace for namespace, shown in listed.items()}
        for name in names - self._ids.keys():
            if name in listed:
                self._ids[name] = name
            elif name in by_shown_name:
                self._ids[name] = by_shown_name[name]

    async def ask(self, names: frozenset[str], connection: Connection) -> None:
        """Look up the configured names that are not known yet.

        A server that refuses the list does no harm: then names are ids, in which to find nothing is doubtful. Raises
        SourceError when it does not answer; cancelling it is safe.
        """
        if not names - self._ids.keys():
            return
        try:
            self.learn(names, await list_namespaces(connection))
        except (AccessDenied, NotOffered) as error:
            self.refused = error
        else:
            self.refused = None
