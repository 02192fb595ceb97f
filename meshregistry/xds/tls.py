"""The certificate of the listener, loaded again when its files change; open streams keep theirs.

istiod 1.26 and later speaks TLS to a configuration source in mode SIMPLE, without a certificate of its own
(istiod pilot/pkg/bootstrap/configcontroller.go), so asking clients for one is an option for others.
"""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.expiry import read_expiry
from meshregistry.xds.options import TlsOptions

_log = logging.getLogger(__name__)

_Stamp = tuple[int, ...]


class Certificate:
    """Owns the TLS context of a listener: a new one for each state of the files.

    A new context trusts the CAs that the file names now and no others, and knows no session of the one before, so
    that no client resumes one past the CAs. Files that cannot be used leave the context in use where it is and are
    tried again at each handshake: the trouble may have been ours, such as no file descriptor to be had.
    """

    def __init__(self, options: TlsOptions, metrics: Metrics) -> None:
        """Load the files.

        Raises:
            OSError: a file cannot be read; ssl.SSLError, one of its kind: it is not what it should be.
        """
        self._options = options
        self._metrics = metrics
        # The stamp first: what changes while it is read is read again.
        self._stamp = self._read_stamp()
        self._current = self._load()
        self._told: _Stamp | None = self._stamp
        self.context: ssl.SSLContext = _Entrance(self._look)
        """For a listener: each handshake is made with what the files say when it begins."""

    def refresh(self) -> None:
        """Load the files again if they changed. What cannot be used is counted each time, and logged once."""
        stamp: _Stamp | None = None
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                self._told = stamp
                return
            self._current = self._load()
        except OSError as error:
            self._metrics.tls_reloads.labels("failure").inc()
            if stamp != self._told:
                _log.warning("ads.tls.reload_failed certificate=%s error=%s", self._options.certificate, error)
            self._told = stamp
        else:
            self._stamp = self._told = stamp
            self._metrics.tls_reloads.labels("success").inc()
            _log.info("ads.tls.reloaded certificate=%s", self._options.certificate)

    def _look(self) -> ssl.SSLContext:
        self.refresh()
        return self._current

    def _read_stamp(self) -> _Stamp:
        paths = (self._options.certificate, self._options.key, self._options.client_ca)
        stats = [Path(path).stat() for path in paths if path]
        return tuple(number for stat in stats for number in (stat.st_mtime_ns, stat.st_size, stat.st_ino))

    def _load(self) -> ssl.SSLContext:
        path = self._options.certificate
        chain = Path(path).read_text("ascii", "replace")
        context = _build(self._options)
        self._metrics.tls_expiry.labels(path).set(read_expiry(chain))
        return context


class _Entrance(ssl.SSLContext):
    """Begins each handshake with the context that is in force then; event loops take one for the life of a listener."""

    _look: Callable[[], ssl.SSLContext]

    def __new__(cls, look: Callable[[], ssl.SSLContext]) -> Self:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._look = look
        return self

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return a connection of the context in force."""
        return self._look().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _build(options: TlsOptions) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if options.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED if options.require_client_certificate else ssl.CERT_OPTIONAL
        context.load_verify_locations(options.client_ca)
    # With a password, as OpenSSL would ask the terminal for that of an encrypted key, and wait for it.
    context.load_cert_chain(options.certificate, options.key, password="")
    return context
