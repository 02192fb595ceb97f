"""An HTTP server that refuses everybody and quotes what he sent, in one way or another."""

import asyncio
import base64
import binascii
import html
import json
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit

_TELLING = ("authorization", "x-api-key", "spas-securitytoken", "accesstoken")


def _decoded(text: str) -> str:
    """Return text with the content of basic authentication in place of its base64, and the form decoded."""
    *words, form = text.split(" ")
    return " ".join([*map(_read_basic, words), unquote_plus(form)])


def _read_basic(word: str) -> str:
    try:
        return base64.b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return word


WAYS: dict[str, Callable[[str], str]] = {
    "as it came": str,
    "decoded": _decoded,
    "percent-encoded": lambda text: quote(_decoded(text), safe=""),
    "as JSON": lambda text: json.dumps(_decoded(text)),
    "as HTML": lambda text: html.escape(_decoded(text)),
    "in base64": lambda text: base64.b64encode(_decoded(text).encode()).decode(),
}


class QuotingRegistry:
    """Serves one connection per request; `way` is how it quotes from now on, `asked` who has asked since."""

    def __init__(self) -> None:
        self.way = "as it came"
        self.asked: Counter[str] = Counter()

    def turn(self, way: str) -> None:
        """Quote in another way."""
        self.way, self.asked = way, Counter()

    async def refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a request."""
        try:
            head, _, body = (await reader.read(65536)).decode("latin-1").partition("\r\n\r\n")
            if not head:
                return
            request, *lines = head.split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            target = urlsplit(request.split()[1])
            told = [value for name, value in (*headers.items(), *parse_qsl(target.query)) if name.lower() in _TELLING]
            # Short, as only the beginning of an answer is shown.
            quoted = WAYS[self.way](" ".join([*told, body])).encode()
            writer.write(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(quoted))
            writer.write(quoted)
            await writer.drain()
            self.asked[f"{target.path.split('/')[1]} {headers.get('Authorization', '')}"] += 1
        except OSError:
            pass
        finally:
            writer.close()
