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
from meshregistry.settings.document import find_bundled

MAX_BYTES = 16 << 20
"""Longest settings, decompressed."""

_MAIN = "cfg"
_MODULE = "cfg_meshregistry"
_GZIP = b"\x1f\x8b"
_find_references = re.compile(r"file:([^\s\"',}\]]+)").findall


class SettingsText(NamedTuple):
    """What a settings file said at one moment."""

    path: Path
    text: str

    bundle: str
    """The configuration of the bundle that it is a module of; "" when it is of none."""

    digest: str
    """Equal as long as neither the file nor any file it refers to (`file:PATH`) has changed."""

    patch: object = None
    """The spec of a RegistrySource, None for none."""


def read_settings(path: Path, max_bytes: int = MAX_BYTES) -> SettingsText:
    """Read a settings file of at most `max_bytes`, decompressed.

    Of a folder it is `cfg_meshregistry`, else what the bundle in `cfg` calls our module, else `cfg`; so it is when
    `cfg` itself is named. Raises SettingsError when it cannot be read, is longer, or is no text.
    """
    main = path / _MAIN if path.is_dir() else path
    default = main.with_name(_MODULE)
    text = "" if main.name == _MAIN and default.exists() and not main.exists() else _read(main, max_bytes)
    bundled = find_bundled(text) if main.name == _MAIN else None
    named = main.with_name(f"{_MAIN}_{bundled}") if bundled and "/" not in bundled else default
    module = next((each for each in (default, named) if main.name == _MAIN and each.exists()), None)
    if module is None:
        return SettingsText(main, text, "", _digest(main, text))
    bundle = text if bundled is not None else ""
    text = _read(module, max_bytes)
    return SettingsText(module, text, bundle, _digest(module, text, bundle))


def _digest(path: Path, text: str, bundle: str = "") -> str:
    stamps = "".join(_stamp(path.parent / name) for name in _find_references(text))
    return xxhash.xxh3_128_hexdigest(f"{text}\0{stamps}\0{bundle}".encode())


def _read(path: Path, max_bytes: int) -> str:
    try:
        if path.is_fifo() and not path.is_relative_to("/dev"):  # a running service would wait for a writer for ever
            raise SettingsError([f"{path}: a named pipe cannot be read again; give a file, or /dev/stdin"])
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise SettingsError([str(error)]) from error
    return _decode(raw, max_bytes)


def replace_text(settings: SettingsText, content: bytes, max_bytes: int = MAX_BYTES) -> SettingsText:
    """Return other settings, plain or gzip, in place of a file's; its bundle stays. Raises SettingsError."""
    text = _decode(content, max_bytes)
    return settings._replace(text=text, digest=_digest(settings.path, text, settings.bundle))


def _decode(raw: bytes, max_bytes: int) -> str:
    content = _inflate(raw, max_bytes) if raw.startswith(_GZIP) else raw
    if len(content) > max_bytes:
        raise SettingsError([f"longer than {max_bytes} bytes"])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Not chained: the decoding error holds the bytes, which may be secret.
        raise SettingsError(["not UTF-8"]) from None


def _inflate(raw: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(raw, max_bytes + 1)
    except zlib.error as error:
        raise SettingsError([f"not valid gzip: {error}"]) from error
    if len(content) <= max_bytes and not inflater.eof:
        raise SettingsError(["not valid gzip: it ends too early"])
    if inflater.unused_data.rstrip(b"\0"):  # a second file behind the first would be left out without a word
        raise SettingsError(["not valid gzip: something stands behind its end"])
    return content


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return f"{path} missing\n"
    return f"{path} {status.st_ino} {status.st_mtime_ns} {status.st_size}\n"
