"""Where a settings file is found and how it is read."""

import gzip
from pathlib import Path

import pytest

from meshregistry.errors import SettingsError
from meshregistry.settings.location import find_settings, read_settings


def test_a_folder_holds_the_modules_settings_before_the_main_ones(tmp_path: Path) -> None:
    assert tmp_path / "cfg" == find_settings(tmp_path)

    (tmp_path / "cfg_meshregistry").write_text("")

    assert tmp_path / "cfg_meshregistry" == find_settings(tmp_path)
    assert tmp_path / "cfg_meshregistry" == find_settings(tmp_path / "cfg")
    assert tmp_path / "other.yaml" == find_settings(tmp_path / "other.yaml")


def test_compressed_settings_read_like_plain_ones(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_text("profile: slime")
    packed.write_bytes(gzip.compress(b"profile: slime"))

    assert "profile: slime" == read_settings(packed).text
    assert read_settings(plain).digest == read_settings(packed).digest


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff", "not UTF-8"),
        (gzip.compress(b"profile: slime")[:-12], "ends too early"),
        (b"\x1f\x8bxx", "not valid gzip"),
        (gzip.compress(b" " * 101), "longer than"),
        (b" " * 101, "longer than"),
    ],
)
def test_what_cannot_be_read_is_one_fault(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "cfg").write_bytes(content)

    with pytest.raises(SettingsError, match=fault):
        read_settings(tmp_path, 100)


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_settings(tmp_path / "absent")


def test_the_digest_follows_the_files_that_the_settings_refer_to(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("http: {token: 'file:token'}")
    absent = read_settings(path).digest

    (tmp_path / "token").write_text("one")
    first = read_settings(path).digest
    (tmp_path / "token").write_text("other")
    second = read_settings(path).digest

    assert 3 == len({absent, first, second})
    assert second == read_settings(path).digest
