"""The namespaces of one registry on the status page: bounded, what fails first."""

from collections.abc import Collection, Iterable
from typing import Protocol

MOST = 1000
"""Namespaces and scopes shown of one registry."""


class DescribedNamespace(Protocol):
    """One namespace, as far as the page shows it."""

    @property
    def healthy(self) -> bool:
        """Whether all of it was read lately."""
        ...

    @property
    def scopes(self) -> Collection[str]:
        """Its groups."""
        ...

    def describe_watch(self) -> dict[str, object]:
        """Return the push side's part."""
        ...

    def describe_scopes(self, most: int) -> list[dict[str, object]]:
        """Return the parts of its scopes, at most so many."""
        ...


def describe_namespaces(readers: Iterable[DescribedNamespace]) -> dict[str, object]:
    """Return the registry's namespaces and scopes; when there are too many, those that fail before the others."""
    shown = list(readers)
    total = sum(len(reader.scopes) for reader in shown)
    if max(total, len(shown)) > MOST:
        shown.sort(key=lambda reader: reader.healthy)
    scopes: list[dict[str, object]] = []
    for reader in shown:
        scopes += reader.describe_scopes(MOST - len(scopes))
    return {
        "namespaces": [reader.describe_watch() for reader in shown[:MOST]],
        "more_namespaces": max(0, len(shown) - MOST),
        "scopes": scopes,
        "more_scopes": total - len(scopes),
    }
