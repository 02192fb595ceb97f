"""Every known case is shown somewhere: by a transcript, by a test that names it, or by a stated decision.

The letters are explained in `transcripts`.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEARCHED = ("conformance/ads", "unit/xds", "unit/wire")
LINES = {"X": 69, "E": 25, "I": 10, "T": 12, "S": 10, "N": 10, "R": 8, "V": 5, "P": 8, "H": 6, "D": 14, "M": 4, "L": 4}

_EXAMPLES = "conformance/conversion/test_conversion_rules.py::test_registry_content_becomes_exactly_the_written_entries"

ELSEWHERE = {
    "L1": "unit/model/test_assembly.py::test_no_istiod_rejects_anything_of_the_istio_profile",
    "L2": "unit/model/test_assembly.py::test_bad_neighbours_never_cost_a_good_endpoint",
    "L3": _EXAMPLES,  # 03-protocols.yaml
    "L4": _EXAMPLES,  # 07-resolution-health-weight.yaml
    "P5": "unit/model/test_assembly.py::test_one_changed_weight_changes_one_endpoint",
    "P6": "unit/model/test_assembly.py::test_order_of_arrival_changes_nothing",
    "P7": "unit/store/test_guard.py::test_after_the_grace_the_entry_is_emptied_with_a_service_level_change",
    "S9": "unit/store/test_guard.py::test_last_endpoints_stay_for_the_grace_time",
}
"""Decided in other rooms; what is sent is what they commit."""

DIFFERENT = {"E19": "our resources have one name; docs/protocol.md"}


def find_named() -> set[str]:
    """Return the cases that the tests name."""
    text = "\n".join(path.read_text() for folder in SEARCHED for path in (ROOT / folder).glob("*.py"))
    return set(re.findall(rf"\b([{''.join(LINES)}]\d{{1,2}})\b", text.replace(Path(__file__).read_text(), "")))


def test_every_case_is_shown() -> None:
    """Nothing is forgotten, and nothing that does not exist is named."""
    known = {f"{letter}{number}" for letter, last in LINES.items() for number in range(1, last + 1)}
    named = find_named()
    assert set() == known - named - set(ELSEWHERE) - set(DIFFERENT)
    assert set() == named - known
    assert set() == named & set(DIFFERENT)


def test_cases_shown_elsewhere_are_there() -> None:
    """The test of another room still exists."""
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text()
