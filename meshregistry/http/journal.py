"""The page of what changed lately, and why."""

from aiohttp import web

from meshregistry.http.debug import JSON, read_limit, read_number
from meshregistry.http.staleness import stale_header
from meshregistry.http.streaming import send_slices
from meshregistry.http.text import json_report
from meshregistry.http.views import JournalView, StalenessView

_DEFAULT_LIMIT = 200
_MAX_LIMIT = 5000


class JournalPage:
    """Answers from the journal: the newest lines, or those after a number."""

    def __init__(self, journal: JournalView, staleness: StalenessView, send_timeout_s: float) -> None:
        self._journal = journal
        self._staleness = staleness
        self._send_timeout_s = send_timeout_s

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Return at most `limit` lines, of one `host` (or resource) when asked.

        With `since` the oldest ones after that number, so that a reader that asks again with the `next` of an answer
        misses nothing that is still kept; without it the newest. Raises HTTPBadRequest.
        """
        query = request.query
        limit = min(read_limit(query, _DEFAULT_LIMIT), _MAX_LIMIT)
        host = query.get("host", "")
        if "since" in query:
            entries = self._journal.list_since(read_number(query, "since", 0), host, limit)
        else:
            entries = self._journal.list_newest(host, limit)
        is_whole = len(entries) < limit
        last = self._journal.last if is_whole or not entries else entries[-1].number
        head = {"last": self._journal.last, "next": last, "stale": list(map(str, self._staleness.list_stale()))}
        headers = {"Content-Type": JSON, **stale_header(self._staleness)}
        return await send_slices(request, json_report(head, "entries", entries), headers, self._send_timeout_s)
