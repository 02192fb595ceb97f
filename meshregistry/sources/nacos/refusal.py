"""Why the best listing of a namespace is not used, and when it is tried again."""

from meshregistry.errors import SourceAuthError, SourceError, SourceUnavailable
from meshregistry.sources.nacos.client import NotOffered
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.memory import Listing


class Refusal:
    """Why the bulk listing is not used. Owner of the count of readings until it is tried again."""

    def __init__(self, error: SourceError, connection: Connection, readings: int) -> None:
        self.error = error
        self.why = str(error)
        self._asked = (connection.dialect, connection.endpoint, connection.login.grants)
        self._readings_left = readings

    def is_worth_another_try(self, connection: Connection) -> bool:
        """Whether so many readings have passed, or another server, dialect or login may be treated differently."""
        self._readings_left -= 1
        return self._readings_left <= 0 or self._asked != (
            connection.dialect,
            connection.endpoint,
            connection.login.grants,
        )


def explained(listing: Listing | SourceError, refusal: Refusal | None) -> Listing | SourceError:
    """Return a failure with the reason why the bulk listing is not used before it."""
    if refusal is None or not isinstance(listing, SourceAuthError | NotOffered):
        return listing
    kind = SourceAuthError if isinstance(listing, SourceAuthError) else SourceUnavailable
    return kind(f"{refusal.why}; and {listing}")
