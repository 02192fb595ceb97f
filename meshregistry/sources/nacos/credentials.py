"""What a gRPC request carries to be let in: the token, a signature, the configured headers."""

from collections.abc import Mapping

from meshregistry.sources.nacos.client import Endpoint
from meshregistry.sources.nacos.dialects import LOGIN_PATHS
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.messages import ServiceName
from meshregistry.sources.nacos.signature import AccessKey
from meshregistry.sources.polling import Clock


class Credentials:
    """The registry's login and access key, as headers of payloads. The login is shared with the HTTP calls."""

    def __init__(self, login: Login, key: AccessKey | None, headers: Mapping[str, str], clock: Clock) -> None:
        self._login = login
        self._key = key
        self._headers = dict(headers)
        self._clock = clock

    def token(self) -> dict[str, str]:
        """Return the part of the headers that a login may replace."""
        return self._login.headers()

    def headers(self, token: Mapping[str, str], service: ServiceName | None) -> dict[str, str]:
        """Return all headers of a request about a service, or about none."""
        group, name = service or ("", "")
        signed = self._key.sign(self._clock.unix(), group, name) if self._key is not None else {}
        return {**self._headers, **token, **signed}

    async def prepare(self, endpoint: Endpoint) -> None:
        """Log in if that is due. Raises SourceUnavailable; cancelling it is safe."""
        await self._login.prepare(endpoint, LOGIN_PATHS)

    async def renew(self, denied: dict[str, str], endpoint: Endpoint) -> bool:
        """Say whether there is another token to try after a denial. Raises SourceUnavailable; cancelling it is safe."""
        return await self._login.renew(denied, endpoint, LOGIN_PATHS)
