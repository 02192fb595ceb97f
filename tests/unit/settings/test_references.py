"""Secrets by reference."""

import os
from pathlib import Path

import pytest

from meshregistry.settings.references import MAX_BYTES, resolve_reference


def test_a_variable_reference_is_the_variable() -> None:
    assert "s3cret" == resolve_reference("${PASS}", {"PASS": "s3cret"}, None)


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(ValueError, match=r"\$\{PASS\} is not in the environment"):
        resolve_reference("${PASS}", {}, None)


@pytest.mark.parametrize("text", ["", "plain", "${PASS", "a${PASS}", "${PASS}b", "${1}", "$PASS", "FILE:x"])
def test_any_other_text_is_the_secret_itself(text: str) -> None:
    assert text == resolve_reference(text, {"PASS": "other"}, None)


def test_a_file_reference_is_the_file_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret \n")
    assert "s3cret " == resolve_reference("file:password", {}, tmp_path)
    assert "s3cret " == resolve_reference(f"file:{tmp_path}/password", {}, None)


def test_an_unreadable_file_is_named_and_its_content_is_not(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    with pytest.raises(ValueError, match="cannot read file:binary: not UTF-8") as caught:
        resolve_reference("file:binary", {}, tmp_path)
    assert caught.value.__cause__ is None
    with pytest.raises(ValueError, match="cannot read file:absent: No such file"):
        resolve_reference("file:absent", {}, tmp_path)
    with pytest.raises(ValueError, match="cannot read file:: Is a directory"):
        resolve_reference("file:", {}, tmp_path)


def test_what_would_be_waited_for_or_has_no_end_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"x" * (MAX_BYTES + 1))
    for name in ("pipe", "/dev/zero"):
        with pytest.raises(ValueError, match=f"cannot read file:{name}: not a regular file"):
            resolve_reference(f"file:{name}", {}, tmp_path)
    with pytest.raises(ValueError, match="cannot read file:long: longer than"):
        resolve_reference("file:long", {}, tmp_path)
