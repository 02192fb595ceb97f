"""What the pages say must exist: links, configurations, commands, targets, HTTP pages; and what no file may hold."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from meshregistry.cli import main
from meshregistry.http.pages import module_pages, process_pages, under_prefix
from meshregistry.settings.load import load_settings
from meshregistry.telemetry.events import EVENTS
from meshregistry.telemetry.metrics import Metrics
from meshregistry.telemetry.reference import render_reference
from tests.support.http_pages import store_of, views_of
from tests.support.log_events import written_events

ROOT = Path(__file__).resolve().parents[2]
_LISTED = subprocess.check_output(("git", "ls-files", "-z"), cwd=ROOT, text=True).split("\0")
FILES = [ROOT / name for name in _LISTED if name and (ROOT / name).is_file()]
MARKDOWN = [path for path in FILES if path.suffix == ".md"]

PLACES = [
    "/" + "work/",
    *("py" + "pi.", "python" + "hosted", "repo" + ".maven", "repo1" + ".maven", "proxy" + ".golang"),
    *("npm" + "js.", "crates" + ".io", "deb" + ".debian"),
]
"""Paths of one machine and hosts of package registries; in two halves, as this file is searched too."""

OF_ISTIO = {"configSources", "apiVersion", "meshConfig"}
"""Top-level keys of the YAML blocks that are not ours to read."""


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made from the text of each."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(path: Path) -> list[str]:
    """Return the commands that a page shows at a prompt or in its sentences."""
    at_prompt = [line[2:] for block in blocks(path, "console") for line in block.splitlines() if line.startswith("$ ")]
    return at_prompt + re.findall(r"`((?:make|meshregistry) [^`]+)`", prose(path))


def named(path: Path) -> str:
    """Return a file's name in the repository."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        if not link.startswith("https://") and not (place.exists() and (not anchor or anchor in anchors(place))):
            broken.append(link)
    assert [] == broken


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_every_configuration_shown_is_one(page: Path) -> None:
    for block in blocks(page, "ya?ml"):
        if not OF_ISTIO.intersection(yaml.safe_load(block)):
            environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "secret")
            assert [] == load_settings(block, environ).warnings


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_every_command_shown_exists(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    known = {"make": targets, "meshregistry": set(main.commands)}
    shown = [command.split() for command in commands(page)]
    assert [] == [words for words in shown if words[0] in known and words[1] not in known[words[0]]]


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_every_option_shown_exists(page: Path) -> None:
    for words in (command.split("#")[0].split() for command in commands(page) if command.startswith("meshregistry ")):
        options = {option for each in main.commands[words[1]].params for option in each.opts}
        assert set() == {word.partition("=")[0] for word in words if word.startswith("-")} - options


def test_both_readmes_show_the_same_blocks() -> None:
    shown = [
        [re.sub(r" *#.*", "", block) for language in ("console", "yaml") for block in blocks(ROOT / name, language)]
        for name in ("README.md", "README.zh.md")
    ]
    assert shown[0] == shown[1]


def test_both_readmes_name_the_same_things_and_lead_to_the_same_pages() -> None:
    texts = [prose(ROOT / name) for name in ("README.md", "README.zh.md")]
    words = [sorted(re.findall(r"`([^`]+)`", text)) for text in texts]
    links = [sorted(link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)) for text in texts]
    english = [link.replace(".zh.md", ".md") for link in links[1]]

    assert words[0] == [word.replace("ISTIOD_BIN=程序", "ISTIOD_BIN=program") for word in words[1]]
    assert links[0] == sorted(link.replace("README.md", "README.zh.md") for link in english)
    assert [text.count("\n## ") for text in texts] == [5, 5]


def test_the_readme_has_every_page_in_its_table() -> None:
    views = views_of(store_of())
    pages = under_prefix(module_pages(views, 1.0)) + process_pages(views, Metrics())
    _, _, table = (ROOT / "README.md").read_text("utf-8").partition("## Pages")
    rows = [row.split("|")[1] for row in table.partition("\n## ")[0].splitlines() if row.startswith("|")]
    assert sorted(page.path for page in pages) == sorted(re.findall(r"`(/[^`]*)`", "".join(rows)))


def test_the_page_of_metrics_and_log_events_is_up_to_date() -> None:
    assert render_reference() == (ROOT / "docs/telemetry.md").read_text("utf-8"), "make docs"


def test_every_log_event_is_listed_with_its_level() -> None:
    listed = {event.name: event.levels.split(", ") for event in EVENTS}
    written = list(written_events())

    assert sorted({name for name, _ in written}) == sorted(listed)
    assert [] == [(name, level) for name, level in written if level and level not in listed[name]]


def test_every_threat_names_a_test_that_exists() -> None:
    _, _, table = (ROOT / "SECURITY.md").read_text("utf-8").partition("## Threats")
    rows = [row.split("|") for row in table.splitlines() if row.startswith("| ")][1:]
    named = {row[1].strip(): re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[3]) for row in rows}

    assert len(rows) > 25
    assert [] == [threat for threat, tests in named.items() if not tests]
    assert [] == [
        (path, test)
        for tests in named.values()
        for path, test in tests
        if not re.search(rf"^(?:async )?def {test}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)
    ]


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    texts = {path: path.read_bytes().decode("utf-8", "replace") for path in FILES}
    assert [] == [(named(path), place) for path, text in texts.items() for place in PLACES if place in text]
