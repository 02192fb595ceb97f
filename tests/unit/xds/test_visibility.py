"""The revision filter, with Slime's two switches."""

import pytest

from meshregistry.xds.visibility import read_visibility


@pytest.mark.parametrize(
    ("revision", "extra", "strict", "visible"),
    [
        ("", (), False, {"", "r1", "r2", "r21"}),
        ("", (), True, {"", "r1", "r2", "r21"}),
        (" , ", (), False, {"", "r1", "r2", "r21"}),
        ("r1", (), False, {"", "r1"}),
        ("r1, r2", (), False, {"", "r1", "r2"}),
        ("r1", (), True, {"r1"}),
        ("r1", (("r1", ""), ("r2", "r21")), True, {"", "r1"}),
        ("r2", (("r1", ""), ("r2", "r21")), True, {"r2", "r21"}),
        ("r2", (("r1", ""), ("r2", "r21")), False, {"", "r2", "r21"}),
        ("other", (), False, {""}),
    ],
)
def test_labels_seen(revision: str, extra: tuple[tuple[str, str], ...], strict: bool, visible: set[str]) -> None:
    """R5: no revision sees all; STRICT_ISTIO_REV hides what has no label; EXTRA_REV_MAP adds."""
    visibility = read_visibility(revision, extra, strict=strict)
    assert visible == visibility.visible(["", "r1", "r2", "r21"])
