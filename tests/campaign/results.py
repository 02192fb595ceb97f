"""The table of docs/reliability.md: rows of the runs that were made, each with the commit it was made at."""

import fcntl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.campaign.provenance import ROOT
from tests.campaign.report import HEAD, draw_table

PAGE = ROOT / "docs" / "reliability.md"
BEGIN = '<!-- written by make faults ARGS="--write" -->'
END = "<!-- end of what is written -->"
COLUMNS = (*HEAD, "run")

Key = tuple[str, str]
"""Of a row: the fault, and what it was made against."""

Row = tuple[str, ...]


def read_rows(page: str) -> dict[Key, Row]:
    """Return the rows of the page in order; raises ValueError when it has no table."""
    _, begin, rest = page.partition(BEGIN)
    table, end, _ = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the table")
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    rows = (tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines)
    return {(row[0], row[1]): row for row in rows}


def merge_rows(page: str, made: Iterable[Row], order: Sequence[Key]) -> str:
    """Return the page with these rows in place of older ones of the same key; a key that is not in order has no row."""
    rows: Mapping[Key, Row] = read_rows(page) | {(row[0], row[1]): row for row in made}
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    table = draw_table(COLUMNS, (rows[key] for key in order if key in rows))
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def write_rows(path: Path, made: Iterable[Row], order: Sequence[Key]) -> None:
    """Put rows into a page, which others may be doing at the same time."""
    with path.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        page = merge_rows(file.read(), made, order)
        file.seek(0)
        file.truncate()
        file.write(page)
