"""The certificate of the listener, loaded again when its files change; open streams keep theirs.

istiod 1.26 and later speaks TLS to a configuration source in mode SIMPLE, without a certificate of its own
(istiod pilot/pkg/bootstrap/configcontroller.go), so asking clients for one is an option for others.
"""

import logging
import ssl
from pathlib import Path

from meshregistry.xds.options import TlsOptions

_log = logging.getLogger(__name__)

_Stamp = tuple[int, ...]


class Certificate:
    """Owns the TLS context of a listener.

    A changed pair of files is tried on a context of its own first: a half-written pair must not break the one in use.
    Client CAs that are added count from the next load on; one that is taken away is trusted until a restart.
    """

    def __init__(self, options: TlsOptions) -> None:
        """Load the files.

        Raises:
            OSError: a file cannot be read; ssl.SSLError, one of its kind: it is not what it should be.
        """
        self._options = options
        self.context = _build(options)
        self._stamp = self._read_stamp()

    def refresh(self) -> None:
        """Load the files again if they changed; called before each handshake. A bad pair is logged and not used."""
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            _build(self._options)
            _load(self.context, self._options)
        except OSError as error:
            _log.warning("ads.tls.reload_failed certificate=%s error=%s", self._options.certificate, error)
        else:
            _log.info("ads.tls.reloaded certificate=%s", self._options.certificate)

    def _read_stamp(self) -> _Stamp:
        paths = (self._options.certificate, self._options.key, self._options.client_ca)
        stats = [Path(path).stat() for path in paths if path]
        return tuple(number for stat in stats for number in (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def _build(options: TlsOptions) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if options.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED if options.require_client_certificate else ssl.CERT_OPTIONAL
    _load(context, options)
    return context


def _load(context: ssl.SSLContext, options: TlsOptions) -> None:
    context.load_cert_chain(options.certificate, options.key)
    if options.client_ca:
        context.load_verify_locations(options.client_ca)
