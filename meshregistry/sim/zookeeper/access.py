"""Who may do what: access control lists and the identities of a connection."""

import base64
import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from meshregistry.sim.zookeeper import jute
from meshregistry.sim.zookeeper.codes import Code, Perm, Refused

SUPER = "super"


class Identity(NamedTuple):
    """Somebody, as a scheme knows them."""

    scheme: str
    name: str


class AclEntry(NamedTuple):
    """What somebody may do."""

    permissions: Perm
    who: Identity


WORLD = Identity("world", "anyone")
OPEN: tuple[AclEntry, ...] = (AclEntry(Perm.ALL, WORLD),)


def digest(credentials: str) -> str:
    """`user:password` as ACLs hold it: `user:` and the base64 of the SHA-1 of both."""
    user = credentials.partition(":")[0]
    return f"{user}:{base64.b64encode(hashlib.sha1(credentials.encode()).digest()).decode()}"


def authenticate(scheme: str, credentials: str, super_digest: str) -> Identity:
    """The identity that the credentials prove; raises Refused for any scheme but digest.

    A wrong password is not noticed: it makes another identity, as on real servers.
    """
    if scheme != "digest" or ":" not in credentials:
        raise Refused(Code.AUTH_FAILED)
    name = digest(credentials)
    return Identity(SUPER, "") if name == super_digest else Identity(scheme, name)


def check(acl: Iterable[AclEntry], wanted: Perm, identities: Iterable[Identity]) -> None:
    """Raise Refused unless one of the identities may do what is wanted."""
    if not allows(acl, wanted, identities):
        raise Refused(Code.NO_AUTH)


def allows(acl: Iterable[AclEntry], wanted: Perm, identities: Iterable[Identity]) -> bool:
    """Whether one of the identities may do what is wanted."""
    if acl is OPEN:
        return True
    known = {WORLD, *identities}
    return any(each.scheme == SUPER for each in known) or any(
        entry.permissions & wanted and entry.who in known for entry in acl
    )


def read_acl(reader: jute.Reader) -> list[AclEntry]:
    """The ACL of a request as it was sent."""
    return reader.vector(lambda: AclEntry(Perm(reader.int32()), Identity(reader.string(), reader.string())))


def grant(asked: list[AclEntry], identities: Iterable[Identity]) -> tuple[AclEntry, ...]:
    """The ACL that a node gets; `auth` stands for the identities themselves. Raises Refused if there is none left."""
    if asked == list(OPEN):
        return OPEN
    found: list[AclEntry] = []
    for entry in asked:
        if entry.who.scheme == "auth":
            found += [AclEntry(entry.permissions, each) for each in identities if each.scheme == "digest"]
        elif entry.who == WORLD or entry.who.scheme in {"digest", "ip"}:
            found.append(entry)
        else:
            raise Refused(Code.INVALID_ACL)
    if not found:
        raise Refused(Code.INVALID_ACL)
    return tuple(found)


def encode_acl(acl: Iterable[AclEntry]) -> bytes:
    """The ACL as a reply holds it."""
    return jute.vector(
        jute.int32(each.permissions) + jute.string(each.who.scheme) + jute.string(each.who.name) for each in acl
    )
