"""Who we are, shown to a server on each connection before anything else."""

import secrets

from meshregistry.errors import SourceAuthError
from meshregistry.sources.zookeeper.session import requests
from meshregistry.sources.zookeeper.session.errors import AuthRefused
from meshregistry.sources.zookeeper.session.link import Link
from meshregistry.sources.zookeeper.session.options import SessionOptions
from meshregistry.sources.zookeeper.session.sasl import answer_challenge


async def show_credentials(link: Link, options: SessionOptions) -> None:
    """Log in by SASL, then show the digest identities.

    Raises AuthRefused (also if the server cannot prove that it knows the SASL password), ConnectionLoss or another
    SourceError. Cancelling it is safe; the connection is then in no state to be used.
    """
    try:
        if options.sasl is not None:
            await _log_in(link, *options.sasl)
        for user, password in options.digest_auth:
            await link.ask(requests.digest_auth(user, password))
    except SourceAuthError as error:
        raise AuthRefused(f"{link.server}: credentials refused") from error


async def _log_in(link: Link, user: str, password: str) -> None:
    challenge = await link.ask(requests.sasl(b""))
    token, proof = answer_challenge(challenge, user, password, secrets.token_hex(16))
    if await link.ask(requests.sasl(token)) != proof:
        raise AuthRefused("the server does not know the SASL password")
