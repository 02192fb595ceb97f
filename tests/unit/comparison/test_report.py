"""What people and programs read of a comparison."""

import orjson

from meshregistry.comparison.difference import Comparison, Difference, What
from meshregistry.comparison.report import report_json, report_text

FOUND = Comparison(
    (
        Difference("a.example", What.ENDPOINT, "10.0.0.1:80", "present", None),
        Difference("a.example", What.ENDPOINT, "10.0.0.2:80", None, "present"),
        Difference("a.example", What.ENDPOINT_FIELD, "10.0.0.3:80 labels.app", "a", None),
        Difference("a.example", What.FIELD, "location", "MESH_EXTERNAL", "MESH_INTERNAL"),
        Difference("b.example", What.HOST, "", "3 endpoints", None),
        Difference("c.example", What.HOST, "", None, "1 endpoints"),
    ),
    hosts_there=4,
    hosts_ours=3,
    endpoints_there=9,
    endpoints_ours=7,
    empty_there=1,
    empty_ours=0,
    hosts_both=2,
)


def test_the_text_goes_host_by_host_and_ends_with_the_counts() -> None:
    assert [
        "a.example",
        "  - 10.0.0.1:80",
        "  + 10.0.0.2:80",
        '  ~ 10.0.0.3:80 labels.app: there "a", here nothing',
        '  ~ location: there "MESH_EXTERNAL", here "MESH_INTERNAL"',
        "b.example",
        "  only there: 3 endpoints",
        "c.example",
        "  only here: 1 endpoints",
        "",
        "how often:",
        "       1  endpoint labels.app",
        "       1  endpoint only here (+)",
        "       1  endpoint only there (-)",
        "       1  host only here",
        "       1  host only there",
        "       1  location",
        "",
        "there: 4 hosts, 9 endpoints",
        "here:  3 hosts, 7 endpoints",
        "1 hosts without endpoints are only there; they make no difference",
        "1 hosts are equal; 6 differences",
    ] == report_text(FOUND, 50).splitlines()


def test_more_hosts_than_the_limit_are_counted() -> None:
    assert "... and 2 more; --limit shows more, --json shows all" in report_text(FOUND, 1).splitlines()
    assert "c.example" not in report_text(FOUND, 1)


def test_names_from_elsewhere_cannot_steer_the_terminal() -> None:
    hostile = Comparison((Difference("\x1b[2Ja\n", What.HOST, "", "x" * 1000, None),), 1, 0, 1, 0, 0, 0, 0)

    text = report_text(hostile, 50)

    assert "?[2Ja?" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 300


def test_json_has_everything() -> None:
    document = orjson.loads(report_json(FOUND))

    assert (False, 4, 1, 6) == (
        document["equal"],
        document["hosts_there"],
        document["hosts_equal"],
        len(document["differences"]),
    )
    assert {"host": "b.example", "what": "host", "subject": "", "there": "3 endpoints", "ours": None} == document[
        "differences"
    ][4]
