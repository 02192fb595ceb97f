"""The client's part of SASL DIGEST-MD5 (RFC 2831) as ZooKeeper uses it. Pure but for the caller's nonce."""

import hashlib
import re

from meshregistry.sources.zookeeper.session.errors import AuthRefused

_LONGEST = 2048
"""Bytes of a challenge (RFC 2831, 2.1.1)."""

_PAIR = re.compile(r'(?<![a-z-])([a-z-]++)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,"\s]*))\s*(?:,|$)')
_URI = "zookeeper/zk-sasl-md5"
"""ZooKeeper's servers go by this name, whatever their host."""


def answer_challenge(challenge: bytes, user: str, password: str, cnonce: str) -> tuple[bytes, bytes]:
    """Return the token to send, and the token that proves that the server knows the password too.

    Raises AuthRefused if the challenge is not DIGEST-MD5's.
    """
    offer = _parse(challenge) if len(challenge) < _LONGEST else {}
    if "nonce" not in offer or "auth" not in offer.get("qop", "auth").split(","):
        raise AuthRefused("the server's SASL challenge is not DIGEST-MD5 with qop=auth")
    realm, nonce = offer.get("realm", ""), offer["nonce"]
    secret = hashlib.md5(_narrow(f"{user}:{realm}:{password}")).digest()
    session_key = hashlib.md5(secret + f":{nonce}:{cnonce}".encode()).hexdigest()

    def digest(method: str) -> str:
        called = _hex(f"{method}:{_URI}")
        return _hex(f"{session_key}:{nonce}:00000001:{cnonce}:auth:{called}")

    token = (
        f'charset=utf-8,username="{_quoted(user)}",realm="{_quoted(realm)}",nonce="{_quoted(nonce)}",nc=00000001,'
        f'cnonce="{cnonce}",digest-uri="{_URI}",maxbuf=65536,response={digest("AUTHENTICATE")},qop=auth'
    )
    return token.encode(), f"rspauth={digest('')}".encode()


def _parse(challenge: bytes) -> dict[str, str]:
    text = challenge.decode("utf-8", "replace")
    return {
        match[1]: re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        for match in _PAIR.finditer(text)
    }


def _narrow(text: str) -> bytes:
    """Return the text as RFC 2831 hashes it: in ISO 8859-1 if that is possible."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _hex(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
