"""Where a settings file is found and how it is read."""

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SettingsError
from meshregistry.settings.load import load_settings
from meshregistry.settings.location import SettingsText, read_settings, replace_text
from tests.support.garbage import bomb, packed

BUNDLE = """
bundle: {modules: [{name: lazyload, kind: lazyload}, {name: %s, kind: meshregistry}]}
global: {misc: {aux-addr: ":9081"}}
"""


def test_a_folder_holds_the_modules_settings_before_the_main_ones(tmp_path: Path) -> None:
    main, other = tmp_path / "cfg", tmp_path / "other.yaml"
    main.write_text("profile: slime")
    other.write_text("profile: istio")
    assert (main, "") == (read_settings(tmp_path).path, read_settings(tmp_path).bundle)

    (tmp_path / "cfg_meshregistry").write_text("")

    assert tmp_path / "cfg_meshregistry" == read_settings(tmp_path).path == read_settings(main).path
    assert other == read_settings(other).path
    main.unlink()
    assert tmp_path / "cfg_meshregistry" == read_settings(tmp_path).path


@pytest.mark.parametrize("name", ["meshregistry", "registries"])
def test_a_module_of_a_bundle_is_found_by_its_name_and_read_with_the_settings_of_the_bundle(
    tmp_path: Path, name: str
) -> None:
    """As slime-boot's operator mounts them."""
    (tmp_path / "cfg").write_text(BUNDLE % name)
    (tmp_path / f"cfg_{name}").write_text("general: {LEGACY: {NacosSource: {Enabled: true, Address: [http://n:8848]}}}")

    found = read_settings(tmp_path / "cfg")
    loaded = load_settings(found.text, {}, bundle=found.bundle)

    assert tmp_path / f"cfg_{name}" == found.path
    assert (":9081", True) == (loaded.settings.aux_addr, loaded.settings.nacos_source.enabled)
    (tmp_path / "cfg").write_text(BUNDLE.replace("9081", "9082") % name)
    assert found.digest != read_settings(tmp_path).digest


@pytest.mark.parametrize("name", ["absent", "a/b", ""])
def test_a_bundle_without_the_settings_of_our_module_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "cfg").write_text(BUNDLE % (name or '""'))

    with pytest.raises(SettingsError, match="a bundle's own configuration"):
        load_settings(read_settings(tmp_path).text, {})


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
        (gzip.compress(b"a: 1") + gzip.compress(b"b: 2"), "behind its end"),
        (b" " * 101, "longer than"),
    ],
)
def test_what_cannot_be_read_is_one_fault(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "cfg").write_bytes(content)

    with pytest.raises(SettingsError, match=fault):
        read_settings(tmp_path, 100)


ANYWHERE = SettingsText(Path("/nowhere/cfg"), "", "", "")
TEXT = b"profile: slime\n"


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda body: b"\x1f\x8b" + body) | packed(TEXT))
def test_any_content_is_a_text_or_a_fault(content: bytes) -> None:
    """What is packed comes out as it went in, or not at all."""
    try:
        text = replace_text(ANYWHERE, content, 100).text
    except SettingsError:
        return
    assert len(text) <= 100
    assert text.encode() == (TEXT if content.startswith(b"\x1f\x8b") else content)


def test_what_unpacks_to_a_thousand_times_its_size_is_refused_before_it_does() -> None:
    packed_bytes = bomb(64)
    tracemalloc.start()
    try:
        with pytest.raises(SettingsError, match="longer than 100000"):
            replace_text(ANYWHERE, packed_bytes, 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000


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


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.yaml")
    with pytest.raises(SettingsError, match="a named pipe cannot be read again"):
        read_settings(tmp_path / "settings.yaml")
