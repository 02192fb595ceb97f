"""Resolves secrets that a settings file names instead of holding: `${NAME}` and `file:PATH`."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

MAX_BYTES = 1 << 20
"""Longest secret in a file."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def resolve_reference(text: str, environ: Mapping[str, str], base_dir: Path | None) -> str:
    """Return the secret that a text stands for; any other text is the secret itself.

    A file's trailing line breaks are dropped; a relative path starts at `base_dir`. Raises ValueError naming the
    reference when it leads nowhere.
    """
    variable = _VARIABLE.fullmatch(text)
    if variable:
        if variable[1] not in environ:
            raise ValueError(f"{text} is not in the environment")
        return environ[variable[1]]
    if text.startswith("file:"):
        return _read(text, (base_dir or Path()) / text.removeprefix("file:"))
    return text


def _read(reference: str, path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe is waited for, a device may have no end
            raise ValueError(f"cannot read {reference}: not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {reference}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ValueError(f"cannot read {reference}: longer than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        # Not chained: the decoding error holds the secret's bytes.
        raise ValueError(f"cannot read {reference}: not UTF-8") from None
