"""Resolves secrets that a settings file names instead of holding: `${NAME}` and `file:PATH`."""

import re
from collections.abc import Mapping
from pathlib import Path

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
        return path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"cannot read {reference}: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: the decoding error holds the secret's bytes.
        raise ValueError(f"cannot read {reference}: not UTF-8") from None
