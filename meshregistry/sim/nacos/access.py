"""Authentication as the stock plug-in of Nacos does it: login for a token, token with every call."""

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meshregistry.sim.nacos.exchange import Call, Refused, Reply, as_json, plain, spring_error
from meshregistry.sim.nacos.views import Dialect

_NO_USER = "user not found!"
_NO_USER_V3 = "User not found! Please check user exist or password is right!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The one account of the server; `token_ttl_s` is how long a login is good for.

    With an access key calls may be signed instead, as Alibaba's managed Nacos wants them; the stock server cannot.
    """

    username: str = "nacos"
    password: str = "nacos"
    token_ttl_s: int = 18000
    access_key: str = ""
    secret_key: str = ""


class Access:
    """Owner of the issued tokens; without credentials everything is allowed."""

    def __init__(self, dialect: Dialect, credentials: Credentials | None, clock: Callable[[], float]) -> None:
        self.dialect = dialect
        self._credentials = credentials
        self._clock = clock
        self._expiry: dict[str, float] = {}

    def login(self, call: Call) -> Reply:
        """Answer a login call of any API version."""
        known = self._credentials
        if known is None:
            return _logged_in("AUTH_DISABLED", Credentials())
        if "username" not in call.params:
            return self._login_without_name(call)
        if call.params["username"] != known.username or call.params.get("password") != known.password:
            return self._login_refused(call, known)
        token = f"eyJ{secrets.token_urlsafe(48)}"
        self._expiry[token] = self._clock() + known.token_ttl_s
        return _logged_in(token, known)

    def check(self, call: Call) -> None:
        """Raise Refused unless the call carries a good token, or name and password."""
        reason = self.denial({**call.params, **call.headers})
        if reason:
            raise Refused(spring_error(call, 403, "Forbidden", reason))

    def denial(self, given: Mapping[str, str]) -> str:
        """Why these parameters and headers do not let a call pass, in the words of Nacos; "" if they do."""
        known = self._credentials
        if known is None or self._is_known(given, known):
            return ""
        token = given.get("accessToken", "") or given.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return self._worded(_NO_USER_V3 if self.dialect.is_v3 else _NO_USER)
        if token not in self._expiry:
            return self._worded("token invalid!")
        return self._worded("token expired!") if self._clock() >= self._expiry[token] else ""

    def revoke_tokens(self) -> None:
        """Make every issued token invalid, as a restart with another secret does."""
        self._expiry.clear()

    def _is_known(self, given: Mapping[str, str], known: Credentials) -> bool:
        named = (given.get("username"), given.get("password")) == (known.username, known.password)
        return named or (bool(known.access_key) and _is_signed(given, known))

    def _worded(self, reason: str) -> str:
        return f"Code: 401, Message: {reason}." if self.dialect.is_v3 else reason

    def _login_without_name(self, call: Call) -> Reply:
        if not self.dialect.is_v3:
            return plain("Parameter 'username' is missing", 400)
        if call.path.startswith("/nacos/v3/"):
            return spring_error(call, 500, "Internal Server Error", "No message available")
        return spring_error(call, 400, "Bad Request", "Required parameter 'username' is not present.")

    def _login_refused(self, call: Call, known: Credentials) -> Reply:
        """Observed: each version has its own status for a wrong password and for an unknown user."""
        wrong_name = call.params["username"] != known.username
        if not self.dialect.is_v3:
            if wrong_name:
                return plain(f"caused: User {call.params['username']} not found;", 500)
            return plain(_NO_USER, 403)
        if not call.path.startswith("/nacos/v3/"):
            reason = "Handle API Compatibility failed, please see log for detail."
            return spring_error(call, 500, "Internal Server Error", reason)
        if wrong_name:
            return spring_error(call, 403, "Forbidden", "Access Denied")
        return spring_error(call, 500, "Internal Server Error", "No message available")


def _logged_in(token: str, known: Credentials) -> Reply:
    body = {
        "accessToken": token,
        "tokenTtl": known.token_ttl_s,
        "globalAdmin": True,
        "username": known.username,
    }
    return Reply(as_json(body).body, headers={"Authorization": f"Bearer {token}"})


def _is_signed(given: Mapping[str, str], known: Credentials) -> bool:
    """Whether `signature` is the HMAC-SHA1 of `data`, in base64 (nacos-sdk-python, naming_grpc_client_proxy)."""
    digest = hmac.digest(known.secret_key.encode(), given.get("data", "").encode(), "sha1")
    signature = base64.b64encode(digest).decode()
    return given.get("ak") == known.access_key and hmac.compare_digest(signature, given.get("signature", ""))
