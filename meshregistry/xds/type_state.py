"""One type URL on one stream: what both dialects keep, and what each of them decides for itself."""

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import ClassVar

import msgspec

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.xds.coverage import Coverage
from meshregistry.xds.requests import Request
from meshregistry.xds.subscription import Subscription
from meshregistry.xds.views import View
from meshregistry.xds.visibility import Visibility


class Reason(IntEnum):
    """Why a response is due; the greater reason wins."""

    REFRESH = 1
    """Nothing changed: the periodic full response to a client of version stubs."""

    CHANGE = 2
    REST = 3
    """The next part of a delta answer that was split."""

    REQUEST = 4
    FIRST = 5
    """The first request of the type on this stream: answered even if there is nothing to say."""


class Content(msgspec.Struct, frozen=True):
    """What a response says; each dialect adds its own fields."""

    version: str
    """Of what the client sees: `version_info`, or `system_version_info` in delta."""


class InFlight(msgspec.Struct):
    """The response that waits for its ACK."""

    nonce: str
    version: str
    sent_at: float
    changed_at: float | None
    """When the oldest change in it was committed."""

    sequence: int
    """The store's commit number when it was composed."""

    is_last: bool
    """False for a part that is followed by others: its ACK says nothing of a commit."""


class Rejection(msgspec.Struct, frozen=True):
    """The last NACK of a type."""

    nonce: str
    code: int
    message: str
    at: float


class TypeState(ABC):
    """Subscription, nonces and rhythm of one type on one stream; owned and changed by `AdsStream` alone.

    All times are of the caller's monotonic clock, in seconds.
    """

    dialect: ClassVar[str]
    honours_stale_names: ClassVar[bool]
    """Delta subscribes by increments, so they count whatever the nonce says; a stale SotW list is outdated."""

    answers_empty_nonce: ClassVar[bool]
    """In SotW a request without a nonce asks again; in delta it is the normal form of a change of names."""

    resends_refused: ClassVar[bool]
    """SotW says everything each time; in delta what was refused is not sent again until it changes."""

    def __init__(self, type_url: str, kind: Kind | None) -> None:
        self.type_url = type_url
        self.kind = kind
        self.subscription = Subscription()
        self.silent = False
        self.visibility = Visibility()
        self.due: Reason | None = None
        self.changed_at: float | None = None
        self.earliest = 0.0
        """No change is sent before."""

        self.refresh_at: float | None = None
        self.in_flight: InFlight | None = None
        self.nonce = ""
        self.version = ""
        self.acked_nonce = ""
        self.acked_version = ""
        self.ack_s: float | None = None
        self.acked_at: float | None = None
        self.coverage = Coverage()
        self.rejection: Rejection | None = None
        self.rejections = 0
        self.responses = 0
        self.stubs = 0
        self.sent_bytes = 0

    @abstractmethod
    def begin(self, request: Request) -> None:
        """Take the names of the first request."""

    @abstractmethod
    def adjust(self, request: Request) -> bool:
        """Take the names of a later request; tell whether they call for an answer."""

    @abstractmethod
    def note_change(self, change: Change) -> bool:
        """Tell whether a commit touches the subscription, and remember what is needed to answer it."""

    @abstractmethod
    def compose(self, view: View, now: float) -> Content | None:
        """Decide what to say for the reason `due`, and count it as sent; None if there is nothing to say."""

    @abstractmethod
    def pause_s(self, content: Content) -> float:
        """Return how long changes wait after a response with this content, in seconds."""

    @abstractmethod
    def distrust(self) -> None:
        """Forget what the client is believed to hold, as far as shortcuts depend on it: it refused or asked again."""

    def make_nonce(self, unique: str) -> str:
        """Return the nonce of the response just composed; `unique` is a text that no other response carries."""
        return unique

    def forget_coverage(self) -> None:
        """Begin to remember ACKs anew: those so far said nothing of the names asked for now."""
        self.coverage = Coverage(is_resumed=True)
        if self.in_flight is not None:
            self.in_flight.is_last = False

    @property
    def has_rest(self) -> bool:
        """True while a split answer has further parts."""
        return False

    def demand(self, reason: Reason) -> None:
        """Make a response due, unless a stronger reason is already there."""
        if not self.silent and (self.due is None or self.due < reason):
            self.due = reason
