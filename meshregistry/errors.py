"""The exception tree: each class says what the caller should do.

MeshRegistryError
├── SettingsError            the settings cannot be used: print every fault, exit 2
├── ListenError              a port cannot be opened: exit 1
├── SourceError              reading a registry failed; the scope keeps what it has
│   ├── SourceUnavailable    refused, timed out, 5xx: try again soon
│   ├── SourceAuthError      credentials refused: try again slowly, loudly
│   └── SourceDataError      the answer cannot be understood: count it, keep what we have
└── AdsProtocolError         a client broke the xDS protocol: end its stream with a status
"""


class MeshRegistryError(Exception):
    """Root of every error this package raises on purpose."""


class SettingsError(MeshRegistryError):
    """The settings cannot be used; `faults` holds one line per fault, each starting with its path."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class ListenError(MeshRegistryError):
    """An address cannot be listened on; the message names it."""


class SourceError(MeshRegistryError):
    """Reading a registry failed for some scope; what was known of the scope stays."""


class SourceUnavailable(SourceError):
    """The registry refused, timed out or answered 5xx: ask again soon."""


class SourceAuthError(SourceError):
    """The registry refused the credentials: ask again slowly."""


class SourceDataError(SourceError):
    """The registry's answer cannot be understood: count it and keep what is known."""


class AdsProtocolError(MeshRegistryError):
    """A client broke the xDS protocol; its stream ends with INVALID_ARGUMENT and this message."""
