"""Requests signed with an access key, as Alibaba Cloud MSE wants them; pure.

Source: Nacos `NamingResourceInjector` and `SpasAdapter`: the signature is HMAC-SHA1 over the time in milliseconds and
the service's grouped name.
"""

import base64
import hashlib
import hmac
from typing import NamedTuple


class AccessKey(NamedTuple):
    """An access key; never printed."""

    access_key: str
    secret_key: str
    security_token: str = ""

    def __repr__(self) -> str:
        return "AccessKey(...)"

    def sign(self, now_s: float, group: str = "", name: str = "") -> dict[str, str]:
        """Return the fields that sign a request about a service, or about none, at a unix time."""
        moment = str(int(now_s * 1000))
        data = f"{moment}@@{group}@@{name}" if name else moment
        digest = hmac.new(self.secret_key.encode(), data.encode(), hashlib.sha1).digest()
        fields = {"ak": self.access_key, "data": data, "signature": base64.b64encode(digest).decode()}
        return fields | ({"Spas-SecurityToken": self.security_token} if self.security_token else {})
