"""The log level at run time: Slime's `/log/slime`, `/log/k` and `/log/ilog`.

GET tells the level. PUT with `level=` changes it until the next start, or until the settings file says another one;
it is the only request that changes anything, and is answered only where the pages demand a token: without one
everybody who reaches the port could silence the log (docs/adr/0008). Source of the paths: Slime framework/bootstrap.
"""

import logging

from aiohttp import web

from meshregistry.telemetry.logs import LEVELS, LogGroup, read_level, set_level

_log = logging.getLogger(__name__)

_SLIME_WORDS = {"trace": "debug", "warn": "warning", "fatal": "error", "panic": "error"}
"""Levels of Slime's logger that ours does not have."""

_LOUDEST_QUIET = 4
"""Kubernetes' logger counts: from 5 on it is for debugging."""


class LogLevelPage:
    """Answers for one group of loggers."""

    def __init__(self, group: LogGroup) -> None:
        self._group = group

    async def get(self, request: web.Request) -> web.Response:
        """Return the level."""
        return web.Response(text=f"{read_level(self._group)}\n")

    async def put(self, request: web.Request) -> web.Response:
        """Set the level to the one in `level` and return it. Raises HTTPBadRequest for none that is known."""
        level = parse_level(request.query.get("level", ""))
        before = read_level(self._group)
        set_level(self._group, level)
        _log.warning("log.level_changed group=%s before=%s now=%s by=%s", self._group, before, level, request.remote)
        return web.Response(text=f"{level}\n")


def parse_level(text: str) -> str:
    """Return our name of a level as Slime's loggers write it: a word, or a number. Raises HTTPBadRequest."""
    word = text.strip().lower()
    if word.isascii() and word.isdigit() and len(word) <= 2:
        return "debug" if int(word) > _LOUDEST_QUIET else "info"
    level = _SLIME_WORDS.get(word, word)
    if level not in LEVELS:
        raise web.HTTPBadRequest(text=f"unknown level {text[:20]!a}, known are {', '.join(LEVELS)}\n")
    return level


async def refuse_change(request: web.Request) -> web.Response:
    """Answer 403: nothing can be changed where no token is demanded."""
    raise web.HTTPForbidden(text="only with http.token set; without it, change log.level in the settings file\n")
