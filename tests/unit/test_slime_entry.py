"""The program that Slime's operator starts."""

from pathlib import Path

from click.testing import CliRunner

from meshregistry.slime_entry import CONFIG_PATH, manager


def test_slimes_arguments_are_accepted_with_a_warning_each(tmp_path: Path) -> None:
    path = tmp_path / "cfg"
    path.write_text('{"name": "meshregistry", "general": {"LEGACY": {"NacosSource": {"Enabled": 1}}}}')

    result = CliRunner().invoke(manager, ["--config", str(path), "--enable-leader-election", "-v=2"])

    assert 2 == result.exit_code
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: argument")]
    assert [
        f"warning: argument {argument}: without effect, settings come from {path}"
        for argument in ("--enable-leader-election", "-v=2")
    ] == warnings


def test_the_file_is_where_slimes_chart_mounts_it() -> None:
    assert Path("/etc/slime/config/cfg") == CONFIG_PATH
