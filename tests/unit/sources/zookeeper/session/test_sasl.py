"""DIGEST-MD5 against the example of its RFC's form, worked out by hand, and against nonsense."""

import contextlib
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.zookeeper.session.errors import AuthRefused
from meshregistry.sources.zookeeper.session.sasl import answer_challenge

CHALLENGE = b'realm="zk-sasl-md5",nonce="OA6MG9tEQGm2hh",charset=utf-8,algorithm=md5-sess,qop="auth"'


def md5(text: bytes) -> bytes:
    return hashlib.md5(text).digest()


def test_the_answer_and_the_proof_are_those_of_rfc_2831() -> None:
    token, proof = answer_challenge(CHALLENGE, "bob", "secret", "c0ffee")
    key = md5(md5(b"bob:zk-sasl-md5:secret") + b":OA6MG9tEQGm2hh:c0ffee").hex()

    def response(called: bytes) -> str:
        return md5(f"{key}:OA6MG9tEQGm2hh:00000001:c0ffee:auth:{md5(called).hex()}".encode()).hex()

    assert f"response={response(b'AUTHENTICATE:zookeeper/zk-sasl-md5')}," in token.decode()
    assert f"rspauth={response(b':zookeeper/zk-sasl-md5')}" == proof.decode()


def test_the_password_is_not_in_the_answer() -> None:
    token, _proof = answer_challenge(CHALLENGE, "bob", "hunter22", "c0ffee")
    assert b"hunter22" not in token


def test_quotes_in_names_are_escaped() -> None:
    token, _proof = answer_challenge(CHALLENGE, 'b"o\\b', "secret", "c0ffee")
    assert re.search(r'username="b\\"o\\\\b"', token.decode())


@pytest.mark.parametrize("challenge", [b"", b"rspauth=1", b'nonce="x",qop="auth-conf"', b"\xff\xfe"])
def test_another_challenge_is_refused(challenge: bytes) -> None:
    with pytest.raises(AuthRefused, match="DIGEST-MD5"):
        answer_challenge(challenge, "bob", "secret", "c0ffee")


def test_a_challenge_that_is_longer_than_the_rfc_allows_is_refused() -> None:
    """To look for pairs in 20 kB of letters took five seconds, and a frame may have 32 MB."""
    padding = b"," * (2047 - len(CHALLENGE))
    assert answer_challenge(CHALLENGE + padding, "bob", "secret", "c") == answer_challenge(
        CHALLENGE, "bob", "secret", "c"
    )
    with pytest.raises(AuthRefused, match="DIGEST-MD5"):
        answer_challenge(CHALLENGE + padding + b",", "bob", "secret", "c")


@given(st.binary(max_size=200), st.text(max_size=10), st.text(max_size=10))
def test_no_challenge_raises_anything_else(challenge: bytes, user: str, password: str) -> None:
    with contextlib.suppress(AuthRefused):
        answer_challenge(challenge, user, password, "c0ffee")
