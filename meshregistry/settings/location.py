"""Where a settings file is, and its text: a file or a mounted ConfigMap, plain or gzip.

Slime keeps a module's settings under `cfg_<module>` (one of a bundle, or the ConfigMap of a hot reload, where it may
be gzip) or `cfg` (Slime module/module.go, slime-boot's chart).
"""

import re
import zlib
from pathlib import Path
from typing import NamedTuple

import xxhash

from meshregistry.errors import SettingsError

MAX_BYTES = 16 << 20
"""Longest settings, decompressed."""

_MAIN = "cfg"
_MODULE = "cfg_meshregistry"
_GZIP = b"\x1f\x8b"
_find_references = re.compile(rb"file:([^\s\"',}\]]+)").findall


class SettingsText(NamedTuple):
    """What a settings file said at one moment."""

    path: Path
    text: str

    digest: str
    """Equal as long as neither the file nor any file it refers to (`file:PATH`) has changed."""


def find_settings(path: Path) -> Path:
    """Return the file that holds the settings: of a folder `cfg_meshregistry`, else `cfg`; a bundle's module wins."""
    if path.is_dir():
        path = path / _MAIN
    module = path.with_name(_MODULE)
    return module if path.name == _MAIN and module.exists() else path


def read_settings(path: Path, max_bytes: int = MAX_BYTES) -> SettingsText:
    """Read a settings file of at most `max_bytes`, decompressed.

    Raises SettingsError when it cannot be read, is longer, or is no text.
    """
    found = find_settings(path)
    try:
        with found.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise SettingsError([str(error)]) from error
    content = _inflate(raw, max_bytes) if raw.startswith(_GZIP) else raw
    if len(content) > max_bytes:
        raise SettingsError([f"longer than {max_bytes} bytes"])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        # Not chained: the decoding error holds the bytes, which may be secret.
        raise SettingsError(["not UTF-8"]) from None
    stamps = "".join(_stamp(found.parent / name.decode()) for name in _find_references(content))
    return SettingsText(found, text, xxhash.xxh3_128_hexdigest(content + b"\0" + stamps.encode()))


def _inflate(raw: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(raw, max_bytes + 1)
    except zlib.error as error:
        raise SettingsError([f"not valid gzip: {error}"]) from error
    if len(content) <= max_bytes and not inflater.eof:
        raise SettingsError(["not valid gzip: it ends too early"])
    return content


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return f"{path} missing\n"
    return f"{path} {status.st_ino} {status.st_mtime_ns} {status.st_size}\n"
