"""Numbers of the protocol, as in ZooKeeper's ZooDefs, KeeperException.Code, Watcher.Event and AddWatchMode."""

import enum


class Opcode(enum.IntEnum):
    """What is asked."""

    CREATE = 1
    DELETE = 2
    EXISTS = 3
    GET_DATA = 4
    SET_DATA = 5
    GET_ACL = 6
    SET_ACL = 7
    GET_CHILDREN = 8
    SYNC = 9
    PING = 11
    GET_CHILDREN2 = 12
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    REMOVE_WATCHES = 18
    AUTH = 100
    SET_WATCHES = 101
    SET_WATCHES2 = 105
    ADD_WATCH = 106
    CLOSE_SESSION = -11


class Code(enum.IntEnum):
    """How it went."""

    OK = 0
    RUNTIME_INCONSISTENCY = -2
    MARSHALLING_ERROR = -5
    UNIMPLEMENTED = -6
    BAD_ARGUMENTS = -8
    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NO_CHILDREN_FOR_EPHEMERALS = -108
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    INVALID_ACL = -114
    AUTH_FAILED = -115
    NOT_READ_ONLY = -119
    NO_WATCHER = -121


class Event(enum.IntEnum):
    """What a watch tells."""

    CREATED = 1
    DELETED = 2
    DATA_CHANGED = 3
    CHILDREN_CHANGED = 4


class Perm(enum.IntFlag):
    """What an ACL entry allows."""

    READ = 1
    WRITE = 2
    CREATE = 4
    DELETE = 8
    ADMIN = 16
    ALL = 31


class Version(enum.StrEnum):
    """The generations that behave differently.

    3.5 knows no addWatch and no setWatches2. Before 3.9 events carry no transaction number, a second mode of
    watching on a path takes the place of the first, and `exists` needs no permission.
    """

    V3_5 = "3.5"
    V3_8 = "3.8"
    V3_9 = "3.9"


class Refused(Exception):
    """A request that fails with an error code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code
