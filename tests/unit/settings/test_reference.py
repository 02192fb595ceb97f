"""The generated reference, and the page about Slime's defaults."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from meshregistry.settings.environment import VARIABLES
from meshregistry.settings.fields import Section, spec_of
from meshregistry.settings.reference import render_reference
from meshregistry.settings.root import Settings
from meshregistry.settings.slime_keys import list_keys, render_keys, replace_table
from meshregistry.settings.source import Source

DOCS = Path(__file__).parents[3] / "docs"


def fields(section: type[Section], path: str = "") -> Iterator[tuple[str, type[Section], str]]:
    """Yield every field with a fixed place: its path, its section and its name; the guards of sources left out."""
    for name, info in section.model_fields.items():
        yield f"{path}{name}", section, name
        if isinstance(info.default, Section) and not (path and name == "guard"):
            yield from fields(type(info.default), f"{path}{name}.")


def test_the_page_of_all_settings_is_up_to_date() -> None:
    assert render_reference() == (DOCS / "settings.md").read_text("utf-8")


def test_the_page_is_printed_by_running_the_module() -> None:
    command = [sys.executable, "-m", "meshregistry.settings.reference"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=DOCS.parent)
    assert (render_reference(), b"") == (done.stdout.decode("utf-8"), done.stderr)


def test_every_field_and_every_variable_has_its_row() -> None:
    page = render_reference()
    rows = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert [] == [path for path, _, _ in fields(Settings) if path not in rows]
    assert [] == [variable.name for variable in VARIABLES if variable.name not in rows]


def test_every_row_has_all_its_cells() -> None:
    rows = [line for line in render_reference().splitlines() if line.startswith("| ") and "Slime" not in line[:20]]
    assert {8, 4} >= {len(re.split(r"(?<!\\)\|", row)) for row in rows}


def test_every_link_leads_to_a_heading() -> None:
    page = render_reference()
    headings = {heading.lower().replace(".", "") for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings


def test_the_table_of_slimes_keys_is_up_to_date() -> None:
    page = (DOCS / "slime-migration.md").read_text("utf-8")
    assert replace_table(page) == page
    assert render_keys() in page


def test_the_table_has_every_key_of_the_schema_and_every_changed_default_with_its_reason() -> None:
    rows = list(list_keys())
    here = {re.sub(r"^\*_source\.", "nacos_source.", row.here): row for row in rows}
    slimes = {
        path: spec_of(section.model_fields[name])
        for path, section, name in fields(Settings)
        if spec_of(section.model_fields[name]).slime or spec_of(section.model_fields[name]).slime_default is not None
    }
    common = {f"{kind}_source.{name}" for kind in ("zookeeper", "eureka", "k8s") for name in Source.model_fields}
    assert [] == sorted(slimes.keys() - here.keys() - common)
    assert [] == [path for path, spec in slimes.items() if spec.slime_default is not None and not spec.slime_note]
    assert {"same", "better", "warning"} == {row.status for row in rows}
    assert [] == [row.key for row in rows if row.status != "same" and not row.note]
    assert [] == [variable.name for variable in VARIABLES if variable.name not in {row.key for row in rows}]
