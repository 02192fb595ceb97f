"""The list of faults and what docs/reliability.md says of it."""

import re
from pathlib import Path

from tests.campaign.catalogue import FAULTS, NAMES

ROOT = Path(__file__).resolve().parents[3]


def test_every_fault_has_a_name_of_its_own_and_is_made_in_one_way() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all((fault.make is None) != (fault.make_all is None) for fault in FAULTS)


def test_the_page_explains_every_fault_in_order_and_no_other() -> None:
    page = (ROOT / "docs/reliability.md").read_text("utf-8")
    explained = page.partition("## The faults")[2].partition("\n## ")[0]
    named = [name for line in explained.splitlines() if line.startswith("| `") for name in _names(line)]
    assert list(NAMES) == named


def test_a_fault_that_is_not_made_of_everything_says_why_and_so_does_the_page() -> None:
    page = (ROOT / "docs/reliability.md").read_text("utf-8")
    limited = {fault for fault in FAULTS if fault.sources or fault.real is not None}

    assert limited == {fault for fault in FAULTS if fault.limit}
    assert [] == [fault.name for fault in limited if f"`{fault.name}`: {fault.limit}" not in page]


def _names(line: str) -> list[str]:
    return re.findall(r"`([a-z0-9-]+)`", line.split("|")[1])
