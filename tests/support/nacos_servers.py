"""Real Nacos servers as processes: started when first asked for, one at a time, stopped at the end."""

import shutil
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from meshregistry.sim.nacos.views import Dialect
from tests.support.ports import free_port
from tests.support.program import READY, Program
from tests.support.registries import RegistryUnavailable, prepare

# Header and value by which the servers let the suite itself pass without a token (see start.sh).
IDENTITY = {"fixture": "fixture"}

_PROJECTS = {Dialect.V2: "nacos2", Dialect.V3: "nacos3"}
_PASSWORDS = {Dialect.V2: "nacos", Dialect.V3: "fixture-pw"}
_HEAP = "384m"
_START_TIMEOUT_S = 90.0
_LOGIN_TIMEOUT_S = 30.0
_ATTEMPTS = 2  # the embedded database may miss its start limit on a busy machine
# A reader sees a change this much later; the default of 500 ms would be waited for hundreds of times.
_QUICK_CHANGES = "--nacos.naming.push.pushTaskDelay=50"
_DERIVED_PORTS = (0, 1000, 1001, -1000)


STRICT_TOKENS_S = 4
STRICT_FUZZY_SERVICES = 2
_STRICT = (
    f"--nacos.core.auth.plugin.nacos.token.expire.seconds={STRICT_TOKENS_S}",
    f"--nacos.naming.fuzzy.watch.max.pattern.match.service.count={STRICT_FUZZY_SERVICES}",
)


@dataclass(frozen=True, slots=True)
class ServerKind:
    """Which server is wanted; of a strict one tokens live short, and a fuzzy watch tells of few services."""

    dialect: Dialect
    auth: bool
    strict: bool = False

    def __str__(self) -> str:
        return f"nacos-{self.dialect}-{'auth' if self.auth else 'open'}{'-strict' if self.strict else ''}"


class NacosServer(Program):
    """One real server; keeps port and data over `stop` and `start`."""

    def __init__(self, kind: ServerKind, home: Path) -> None:
        super().__init__(str(kind), home.with_suffix(".log"))
        self.kind = kind
        self.username = "nacos" if kind.auth else ""
        self.password = _PASSWORDS[kind.dialect] if kind.auth else ""
        self._home = home
        self._port = 0
        self._settled = False  # once it ran, port and data stay what they are

    @property
    def base_url(self) -> str:
        """`http://host:port` without the context path."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start and wait until logins and reads are answered; raises RegistryUnavailable."""
        project = prepare(_PROJECTS[self.kind.dialect])
        for attempt in range(1, _ATTEMPTS + 1):
            if not self._settled:
                self._port = free_port(_DERIVED_PORTS)
                shutil.rmtree(self._home, ignore_errors=True)
            try:
                self._launch(project)
                self.wait_for("ready line", lambda: READY in self.output, _START_TIMEOUT_S)
                self.wait_for("answer to a login", self._answers, _LOGIN_TIMEOUT_S)
            except RegistryUnavailable:
                if attempt == _ATTEMPTS:
                    raise
            else:
                self._settled = True
                return

    def forget(self) -> None:
        """Let the ended server lose its data; its port stays."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _launch(self, project: Path) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        auth = "auth" if self.kind.auth else "none"
        command = [str(project / "start.sh"), str(self._port), str(self._home), auth, _QUICK_CHANGES]
        self.launch([*command, *(_STRICT if self.kind.strict else ())], {"NACOS_HEAP": _HEAP})

    def _answers(self) -> bool:
        listed = self._status("GET", "/nacos/v1/ns/service/list", pageNo="1", pageSize="1")
        if listed != HTTPStatus.OK or not self.kind.auth:
            return listed == HTTPStatus.OK
        if self.kind.dialect is Dialect.V3:
            self._status("POST", "/nacos/v3/auth/user/admin", password=self.password)
        login = {"username": self.username, "password": self.password}
        return self._status("POST", "/nacos/v1/auth/users/login", **login) == HTTPStatus.OK

    def _status(self, method: str, path: str, **params: str) -> int:
        url = f"{self.base_url}{path}?{urllib.parse.urlencode(params)}"
        request = urllib.request.Request(url, method=method, headers=IDENTITY)
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


class NacosServers:
    """Owner of all real servers of a test run, each in a folder of its own below `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._servers: dict[ServerKind, NacosServer] = {}

    def get(self, kind: ServerKind) -> NacosServer:
        """The running server of this kind, started if need be; raises RegistryUnavailable."""
        if kind not in self._servers:
            self._servers[kind] = NacosServer(kind, self._home / str(kind))
        server = self._servers[kind]
        if not server.running:
            server.start()
        return server

    def stop(self) -> None:
        """Stop them all."""
        for server in self._servers.values():
            server.stop()
