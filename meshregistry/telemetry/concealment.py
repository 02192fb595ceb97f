"""Takes known secrets out of texts, in whatever form a program may have written them there; pure."""

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_LEAST_CORE: Final = 8
"""Fewer characters of base64 may be any word."""

_URL_SAFE: Final = str.maketrans("+/", "-_")


def forms_of(secret: str) -> frozenset[str]:
    """Return how a secret may stand in a text: as it is, or as URLs, JSON, HTML, Python and base64 have it."""
    ascii_json, json_text = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret), repr(secret)[1:-1]}
    written = {secret, ascii_json, json_text, *quoted}
    return frozenset(written | {each.lower() for each in quoted if "%" in each} | set(_base64_cores(secret)))


def _base64_cores(secret: str) -> Iterable[str]:
    """Yield what base64 makes of a secret wherever it begins in the encoded text, as in `user:password`."""
    data = secret.encode("utf-8", "surrogatepass")
    for offset in range(3):
        first, end = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        if end - first >= _LEAST_CORE:
            core = base64.b64encode(bytes(offset) + data + b"\0\0").decode()[first:end]
            yield from (core, core.translate(_URL_SAFE))


class Concealer:
    """Replaces secrets in texts by stars. Holds nothing that changes."""

    def __init__(self, secrets: Iterable[str], least: int) -> None:
        """A secret of fewer than `least` characters stays: it may be any word."""
        forms = {form for secret in secrets if len(secret) >= least for form in forms_of(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._longest = len(longest_first[0]) if forms else 0

    def __call__(self, text: str) -> str:
        """Return a text without the secrets."""
        return self._pattern.sub(MASK, text) if self._pattern is not None else text

    def beginning(self, text: str, length: int) -> str:
        """Return what so many characters at the beginning of a text become; only a little more of it is looked at."""
        if self._pattern is None:
            return text[:length]
        shown, position = list[str](), 0
        for found in self._pattern.finditer(text[: length + self._longest]):
            if found.start() >= length:
                break
            shown += (text[position : found.start()], MASK)
            position = found.end()
        return "".join((*shown, text[position:length]))
