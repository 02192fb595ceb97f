"""The command line: what it prints and how it exits."""

import http.server
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meshregistry import __version__
from meshregistry.cli import main
from tests.support.ports import free_ports

SETTINGS = """
nacos_source:
  enabled: true
  address: ["http://reader:hidden@127.0.0.1:8848"]
  username: reader
  password: {password}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "meshregistry.yaml"
    path.write_text(SETTINGS.format(password="swordfish"))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_check_config_prints_the_effective_settings_without_secrets(settings: Path) -> None:
    result = run("check-config", settings)

    assert result.exit_code == 0
    assert "refresh_period: 30s" in result.stdout
    assert "password: '***'" in result.stdout
    assert "swordfish" not in result.output
    assert "hidden" not in result.output


def test_check_config_prints_every_fault_with_its_path_and_the_nearest_key(settings: Path) -> None:
    settings.write_text("nacos_source: {enabeld: true, refresh_period: fast}\nguard: {empty_grace: [1]}\n")

    result = run("check-config", settings)

    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"error: {settings}: ") for line in lines)
    assert "enabeld" in lines[0]
    assert "enabled" in lines[0]
    assert "nacos_source.refresh_period" in lines[1]
    assert "guard.empty_grace" in lines[2]


def test_check_config_says_what_will_differ_from_slime(settings: Path) -> None:
    result = run("check-config", "--slime", settings)

    assert (0, "") == (result.exit_code, result.stderr)
    titles = [line for line in result.stdout.splitlines() if line.endswith(":") and not line.startswith("-")]
    assert [
        "Defaults that the file relies on and that are others here:",
        "What is different whatever the file says:",
    ] == titles
    assert "- nacos_source.mode: auto, in Slime polling." in result.stdout
    assert "swordfish" not in result.output


def test_check_config_for_slime_prints_faults_first(settings: Path) -> None:
    settings.write_text("nacos_source: {enabeld: true}\n")

    assert (2, "") == (
        run("check-config", "--slime", settings).exit_code,
        run("check-config", "--slime", settings).stdout,
    )


@pytest.mark.parametrize("command", ["check-config", "run"])
def test_a_missing_file_is_named(command: str, tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"

    result = run(command, *(["--config"] if command == "run" else []), path)

    assert result.exit_code == 2
    assert str(path) in result.stderr


def test_a_file_that_is_not_text_is_an_error_and_no_traceback(settings: Path) -> None:
    settings.write_bytes(b"\xff\xfe\x00")

    result = run("check-config", settings)

    assert result.exit_code == 2
    assert str(settings) in result.stderr


@pytest.mark.parametrize("command", [["check-config"], ["run", "--config"]])
def test_what_a_source_cannot_use_is_refused(command: list[str], settings: Path) -> None:
    source = "{enabled: true, address: ['127.0.0.1:2181'], watching_resync_cron: often}"
    settings.write_text(f"zookeeper_source: {source}\n")

    result = run(*command, settings)

    assert (2, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith(f"error: {settings}: zookeeper_source.watching_resync_cron")


@pytest.mark.parametrize("taken", ["aux_addr", "mcp"])
def test_a_port_that_is_taken_is_an_error_and_an_exit(settings: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant, socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
        other.close()
        port = occupant.getsockname()[1]
        http, ads = (port, free) if taken == "aux_addr" else (free, port)
        settings.write_text(f"aux_addr: 127.0.0.1:{http}\nmcp: {{server_url: 'xds://127.0.0.1:{ads}'}}\n")

        result = run("run", "--config", settings)

    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.stderr


@pytest.mark.parametrize("taken", ["nacos", "zookeeper", "zookeeper-control", "eureka"])
def test_demo_names_the_port_that_is_taken(taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        names = ("nacos", "zookeeper", "zookeeper-control", "eureka")
        ports = {**dict(zip(names, free_ports(4), strict=True)), taken: port}

        result = run("demo", "--registry", "all", *(f"--{name}-port={number}" for name, number in ports.items()))

    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.stderr


def test_watch_explains_a_target_that_is_none() -> None:
    result = run("watch", "localhost")

    assert result.exit_code == 2
    assert "HOST:PORT" in result.stderr


def test_the_version_is_printed() -> None:
    assert f"meshregistry, version {__version__}\n" == run("--version").stdout


def test_probe_succeeds_on_an_answer_and_fails_without_one() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Healthy)
    url = f"http://127.0.0.1:{server.server_port}/modules/livez"
    thread = threading.Thread(target=server.handle_request)
    thread.start()

    assert 0 == run("probe", "--url", url).exit_code
    thread.join()
    server.server_close()
    failed = run("probe", "--url", url)

    assert 1 == failed.exit_code
    assert failed.stderr.startswith(f"error: {url}: ")


def test_a_start_survives_a_hangup_and_fills_the_place_of_a_closed_stream() -> None:
    """Without a standard error a socket would get its number, and uvloop aborts when that is closed."""
    lines = (
        "import os, signal, socket",
        "from meshregistry.cli import prepare_process",
        "os.close(2)",
        "prepare_process()",
        "os.kill(os.getpid(), signal.SIGHUP)",
        "print(os.readlink('/proc/self/fd/2'), socket.socket().fileno() > 2)",
    )
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], stdout=subprocess.PIPE, check=False)
    assert (0, b"/dev/null True\n") == (ended.returncode, ended.stdout)


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
