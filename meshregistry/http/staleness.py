"""The header that says on every page of what is served, or why, that some of it is older than it should be."""

from meshregistry.http.views import StalenessView

STALE_HEADER = "X-Meshregistry-Stale"


def stale_header(staleness: StalenessView) -> dict[str, str]:
    """Return the header with the stale sources; nothing when all is as the registries say."""
    sources = ",".join(each.source for each in staleness.list_stale())
    return {STALE_HEADER: sources} if sources else {}
