"""The files of a folder: which there are, and what is in them. Blocking: for a thread."""

import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import xxhash

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.files.fields import FileFaultError

_SUFFIXES = (".yaml", ".yml", ".gz")
_GZIP = b"\x1f\x8b"


class FoundFile(msgspec.Struct, frozen=True):
    """One file as it is now."""

    name: str
    """Relative to the folder."""

    digest: str = ""
    text: str = ""
    fault: str = ""
    """Why it cannot be read; "" when it was."""


def list_files(folder: Path, max_bytes: int) -> list[FoundFile]:
    """Return every file with a known ending, sorted by name.

    Hidden names are passed over, so that the inner folders of a mounted ConfigMap are not read twice. Raises
    SourceUnavailable when the folder, or one in it, cannot be listed: what it held is unknown then, not gone.
    """
    try:
        paths = sorted(_walk(folder))
    except OSError as error:
        raise SourceUnavailable(f"cannot list {error.filename}: {error.strerror}") from error
    return [_read(path, path.relative_to(folder).as_posix(), max_bytes) for path in paths]


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for here, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(here, name) for name in files if name.endswith(_SUFFIXES) and not name.startswith("."))


def _read(path: Path, name: str, max_bytes: int) -> FoundFile:
    try:
        content = _read_content(path, max_bytes)
        return FoundFile(name, xxhash.xxh3_128_hexdigest(content), content.decode("utf-8"))
    except OSError as error:
        return FoundFile(name, fault=error.strerror or type(error).__name__)
    except UnicodeDecodeError:
        return FoundFile(name, fault="not UTF-8")
    except FileFaultError as error:
        return FoundFile(name, fault=str(error))


def _read_content(path: Path, max_bytes: int) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe is waited for
        raise FileFaultError("not a regular file")
    with path.open("rb") as file:
        return unpack(file.read(max_bytes + 1), max_bytes)


def unpack(raw: bytes, max_bytes: int) -> bytes:
    """Return the content of a file, plain or gzip. Raises FileFaultError, also for one that is longer than allowed."""
    content = _inflate(raw, max_bytes) if raw.startswith(_GZIP) else raw
    if len(content) > max_bytes:
        raise FileFaultError(f"longer than {max_bytes} bytes")
    return content


def _inflate(raw: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(raw, max_bytes + 1)
    except zlib.error:
        raise FileFaultError("not valid gzip") from None
    if len(content) <= max_bytes and not inflater.eof:
        raise FileFaultError("not valid gzip: it ends too early")
    if inflater.unused_data.rstrip(b"\0"):  # a second file behind the first would be left out without a word
        raise FileFaultError("not valid gzip: something stands behind its end")
    return content
