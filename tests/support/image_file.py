"""What the Dockerfile says about the image, for a test that has no container engine."""

import json
import re
from pathlib import Path
from typing import NamedTuple

DOCKERFILE = Path(__file__).resolve().parents[2] / "Dockerfile"


class Image(NamedTuple):
    """How a container of the last stage is started."""

    suite: str
    """Debian's release of the base."""

    user: int
    group: int
    path: str
    command: tuple[str, ...]
    health: tuple[str, ...]
    links: dict[str, str]
    """Link in the root → what it leads to."""

    folders: tuple[str, ...]
    volume: str


def read_image() -> Image:
    """Return what the Dockerfile says; raises AttributeError when it no longer says one of these things."""
    text = DOCKERFILE.read_text("utf-8").replace("\\\n", " ")
    stage = text[text.rindex("\nFROM ") :]
    user, _, group = _word(r"^USER (\S+)$", stage).partition(":")
    return Image(
        suite=_word(r"^FROM \S+-slim-(\w+)$", stage),
        user=int(user),
        group=int(group),
        path=_word(r"^ENV PATH=(\S+?):\$PATH", stage),
        command=(*_list(r"^ENTRYPOINT (\[.*\])$", stage), *_list(r"^CMD (\[.*\])$", stage)),
        health=_list(r"^HEALTHCHECK .* CMD (\[.*\])$", stage),
        links={link: target for target, link in re.findall(r"ln -s (\S+) (\S+)", stage)},
        folders=tuple(_word(r"mkdir -p ((?:/\S+ )+)", stage).split()),
        volume=_word(r"^VOLUME (\S+)$", stage),
    )


def _word(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise AttributeError(f"{DOCKERFILE.name} has nothing like {pattern}")
    return found[1]


def _list(pattern: str, text: str) -> tuple[str, ...]:
    return tuple(json.loads(_word(pattern, text)))
