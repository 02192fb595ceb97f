"""One node of one registry, spoken to in its dialect and with the registry's token."""

import time
from collections.abc import Mapping

from meshregistry.errors import SourceAuthError, SourceDataError
from meshregistry.sources.nacos.client import AccessDenied, Endpoint, NacosClient
from meshregistry.sources.nacos.dialects import Dialect, probe
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.signature import AccessKey


class Connection:
    """Owner of what is known about the node: its dialect. Made anew after every failure."""

    def __init__(
        self, client: NacosClient, endpoint: Endpoint, login: Login, dialect: Dialect, key: AccessKey | None = None
    ) -> None:
        self._client = client
        self._key = key
        self.endpoint = endpoint
        self.login = login
        self.dialect = dialect

    async def get(self, path: str, params: Mapping[str, str]) -> bytes:
        """Return the body of a 200 answer, after one more login if the token was denied.

        Raises what NacosClient.get raises; a denial tells of a refused login too. Cancelling it is safe.
        """
        headers = self.login.headers()
        try:
            return await self._client.get(self.endpoint, path, params, headers, self._sign(params))
        except AccessDenied as denial:
            if not await self.login.renew(headers, self.endpoint, self.dialect.login_paths):
                raise self._explained(denial) from denial
        return await self._client.get(self.endpoint, path, params, self.login.headers(), self._sign(params))

    async def probe_again(self) -> bool:
        """Ask the node anew what it speaks; return whether that is another dialect or version."""
        before = self.dialect
        self.dialect = await ask_dialect(self._client, self.endpoint)
        return self.dialect != before

    def fault(self, path: str, error: SourceDataError) -> SourceDataError:
        """Return the error with the place it happened at, once."""
        place = self.endpoint.shown(path)
        return error if str(error).startswith(place) else SourceDataError(f"{place}: {error}")

    def _sign(self, params: Mapping[str, str]) -> Mapping[str, str]:
        if self._key is None:
            return {}
        return self._key.sign(time.time(), params.get("groupName", ""), params.get("serviceName", ""))

    def _explained(self, denial: AccessDenied) -> AccessDenied:
        refusal = self.login.refusal
        return denial if refusal is None else AccessDenied(f"{denial}; login refused by {refusal}")


async def ask_dialect(client: NacosClient, endpoint: Endpoint) -> Dialect:
    """Probe a node. Raises SourceUnavailable or SourceDataError; cancelling it is safe."""

    async def fetch(path: str, params: Mapping[str, str]) -> bytes:
        return await client.get(endpoint, path, params, {})

    try:
        return await probe(fetch)
    except SourceAuthError as error:
        raise AccessDenied(f"{error}; nothing tells which API the server has") from error
    except SourceDataError as error:
        raise SourceDataError(f"{endpoint}: not Nacos? {error}") from error


async def connect(client: NacosClient, endpoint: Endpoint, login: Login, key: AccessKey | None) -> Connection:
    """Probe a node and log in if that is due. Raises SourceError; cancelling it is safe."""
    connection = Connection(client, endpoint, login, await ask_dialect(client, endpoint), key)
    await login.prepare(endpoint, connection.dialect.login_paths)
    return connection
