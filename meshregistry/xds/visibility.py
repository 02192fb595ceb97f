"""Which resources a client sees: the revision filter.

A client names its revisions in the node metadata ISTIO_REVISION, separated by commas; a resource names its own in
the label `istio.io/rev`. Rules: istiod pkg/config/model.go (LabelsInRevision) and Slime's istio-mcp filter with its
switches STRICT_ISTIO_REV and EXTRA_REV_MAP.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visibility:
    """The labels one client sees; "" stands for a resource without the label."""

    revisions: frozenset[str] = frozenset()
    """Empty: the client names no revision and sees everything."""

    labels: frozenset[str] = frozenset()

    def sees(self, label: str) -> bool:
        """Tell whether a resource with this `istio.io/rev` is sent to the client."""
        return not self.revisions or label in self.labels

    def visible(self, labels: Iterable[str]) -> frozenset[str]:
        """Return the labels that are seen: clients with equal answers share the same bytes."""
        return frozenset(label for label in labels if self.sees(label))


def read_visibility(revision: str, extra: Iterable[tuple[str, str]], *, strict: bool) -> Visibility:
    """Build the filter from ISTIO_REVISION and the two options."""
    revisions = frozenset(part for text in revision.split(",") if (part := text.strip()))
    also = {label for client, label in extra if client in revisions}
    unlabelled = set() if strict else {""}
    return Visibility(revisions, revisions | also | unlabelled)
