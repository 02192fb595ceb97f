"""What the files source needs to know; the application root fills it from the settings."""

import msgspec

from meshregistry.sources.files.documents import Reading


class FilesOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The whole source."""

    path: str
    """The folder; its own folders are read too, hidden ones are not."""

    reading: Reading = Reading()
    is_watched: bool = False
    """Whether changes are followed; else the files are read once."""

    check_interval_s: float = 10.0
    """How often the folder is looked at where the system does not tell of changes, and after a failure."""

    max_file_bytes: int = 16 << 20
    """A longer file, decompressed, is refused."""
