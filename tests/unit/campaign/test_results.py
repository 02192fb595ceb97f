"""The table of docs/reliability.md: what a run writes there, and that no fault is missing in it."""

import re
from pathlib import Path

import pytest

from tests.campaign.pairs import list_keys
from tests.campaign.results import BEGIN, COLUMNS, END, PAGE, merge_rows, read_rows, write_rows

TABLE = """\
| fault | against | times | lost | wrong | recovery (median, longest) | left behind | run |
| --- | --- | --- | --- | --- | --- | --- | --- |
| kill | a | 1 | 0 | 0 | 1.0 s, 1.0 s | nothing | day one |
| pause | a | 1 | 0 | 0 | 2.0 s, 2.0 s | nothing | day one |
| gone | a | 1 | 0 | 0 | 3.0 s, 3.0 s | nothing | day one |
"""
TEXT = f"before\n\n{BEGIN}\n{TABLE}{END}\n\nafter\n"
ORDER = [("kill", "a"), ("kill", "b"), ("pause", "a")]


def made(fault: str, against: str) -> tuple[str, ...]:
    """Return a row of a later run."""
    return (fault, against, "2", "0", "0", "9.0 s, 9.0 s", "nothing", "day two")


def test_a_run_of_a_part_replaces_its_rows_only_and_adds_new_ones_in_order() -> None:
    page = merge_rows(TEXT, [made("pause", "a"), made("kill", "b")], ORDER)

    assert (
        f"""\
before

{BEGIN}
| fault | against | times | lost | wrong | recovery (median, longest) | left behind | run |
| --- | --- | --- | --- | --- | --- | --- | --- |
| kill | a | 1 | 0 | 0 | 1.0 s, 1.0 s | nothing | day one |
| kill | b | 2 | 0 | 0 | 9.0 s, 9.0 s | nothing | day two |
| pause | a | 2 | 0 | 0 | 9.0 s, 9.0 s | nothing | day two |
{END}

after
"""
        == page
    )


def test_rows_are_read_as_they_were_written() -> None:
    page = merge_rows(TEXT, [made("kill", "b")], ORDER)

    assert page == merge_rows(page, [], ORDER)
    assert made("kill", "b") == read_rows(page)["kill", "b"]


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        read_rows("nothing")


def test_what_is_written_into_a_file_is_the_merged_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(TEXT, "utf-8")
    write_rows(path, [made("kill", "a")], ORDER[:1])

    assert merge_rows(TEXT, [made("kill", "a")], ORDER[:1]) == path.read_text("utf-8")


def test_the_page_has_a_row_for_every_fault_and_target_in_order_and_no_other() -> None:
    """Of a new fault: `make faults ARGS="--only NAME --write"`."""
    rows = read_rows(PAGE.read_text("utf-8"))

    assert list_keys() == list(rows)
    assert {len(COLUMNS)} == set(map(len, rows.values()))


def test_the_page_shows_faults_that_were_made_and_of_which_nothing_is_lost_wrong_or_left() -> None:
    rows = read_rows(PAGE.read_text("utf-8")).values()

    assert [] == [row for row in rows if not row[2].isdigit() or (row[3], row[4], row[6]) != ("0", "0", "nothing")]


def test_every_row_tells_of_which_run_it_is() -> None:
    runs = {row[-1] for row in read_rows(PAGE.read_text("utf-8")).values()}

    assert [] == [run for run in runs if not re.fullmatch(r"\d{4}-\d\d-\d\d [0-9a-f]{7}, \d+ cores", run)]
