"""Where listed and watched objects go: pods and nodes into the book, secrets into a table of remote clusters. Pure."""

import base64
from collections.abc import Callable, Iterable

import msgspec

from meshregistry.kubernetes.book import ClusterBook, PodKey
from meshregistry.kubernetes.follower import decode_each
from meshregistry.kubernetes.objects import Node, Pod, Secret

Note = Callable[[set[str]], None]
"""Called with the addresses that a change concerns."""

_DELETED = "DELETED"


class PodShelf:
    """The pods of one cluster."""

    def __init__(self, book: ClusterBook, note: Note, on_bad: Callable[[], None]) -> None:
        self._book = book
        self._note = note
        self._on_bad = on_bad

    def replace(self, items: Iterable[msgspec.Raw]) -> None:
        """Make these all pods."""
        self._note(self._book.replace_pods(decode_each(items, Pod, self._on_bad)))

    def apply(self, kind: str, item: msgspec.Raw) -> None:
        """Take one change."""
        for pod in decode_each([item], Pod, self._on_bad):
            key = PodKey(pod.metadata.namespace, pod.metadata.name)
            self._note(self._book.remove_pod(key) if kind == _DELETED else self._book.put_pod(pod))


class NodeShelf:
    """The nodes of one cluster."""

    def __init__(self, book: ClusterBook, note: Note, on_bad: Callable[[], None]) -> None:
        self._book = book
        self._note = note
        self._on_bad = on_bad

    def replace(self, items: Iterable[msgspec.Raw]) -> None:
        """Make these all nodes."""
        self._note(self._book.replace_nodes(decode_each(items, Node, self._on_bad)))

    def apply(self, kind: str, item: msgspec.Raw) -> None:
        """Take one change."""
        for node in decode_each([item], Node, self._on_bad):
            meta = node.metadata
            self._note(self._book.remove_node(meta.name) if kind == _DELETED else self._book.put_node(meta))


class SecretShelf:
    """The kubeconfigs of remote clusters: each key of a secret is a cluster's name (Slime pkg/multicluster)."""

    def __init__(self, on_change: Callable[[], None], on_bad: Callable[[], None]) -> None:
        self._on_change = on_change
        self._on_bad = on_bad
        self._secrets: dict[str, dict[str, str]] = {}

    @property
    def clusters(self) -> dict[str, str]:
        """Cluster → kubeconfig; of one that two secrets name, that of the first secret by name counts."""
        found: dict[str, str] = {}
        for _, clusters in sorted(self._secrets.items()):
            for name, kubeconfig in clusters.items():
                found.setdefault(name, kubeconfig)
        return found

    def replace(self, items: Iterable[msgspec.Raw]) -> None:
        """Make these all secrets."""
        secrets = decode_each(items, Secret, self._on_bad)
        self._secrets = {secret.metadata.name: self._decode(secret) for secret in secrets}
        self._on_change()

    def apply(self, kind: str, item: msgspec.Raw) -> None:
        """Take one change."""
        for secret in decode_each([item], Secret, self._on_bad):
            self._secrets.pop(secret.metadata.name, None)
            if kind != _DELETED:
                self._secrets[secret.metadata.name] = self._decode(secret)
            self._on_change()

    def _decode(self, secret: Secret) -> dict[str, str]:
        found = {}
        for name, value in sorted((secret.data or {}).items()):
            try:
                found[name] = base64.b64decode(value, validate=True).decode("utf-8")
            except ValueError:  # no base64, in ASCII or not, or no text in it
                self._on_bad()
        return found
