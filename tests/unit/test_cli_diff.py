"""`diff` as a command: exit codes, forms, both kinds of our side."""

import http.server
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import orjson
import pytest
from click.testing import CliRunner, Result

from meshregistry.cli import main
from meshregistry.telemetry.logs import conceal_in_tracebacks
from tests.support.slime_page import slime_item, slime_page

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: orders, namespace: shop}
spec:
  hosts: [orders.example]
  ports: [{number: 80, protocol: HTTP, name: http-80}]
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints: [{address: 10.0.0.1}]
"""
SPEC = {
    "hosts": ["orders.example"],
    "ports": [{"number": 80, "protocol": "HTTP", "name": "http-80"}],
    "location": "MESH_INTERNAL",
    "resolution": "STATIC",
    "endpoints": [{"address": "10.0.0.1"}],
}
ITEM = slime_item("orders", SPEC, namespace="shop") | {"labels": {}}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Put back what a command that starts the service does to the logging of the whole process."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    conceal_in_tracebacks([])
    root.setLevel(level)
    root.handlers[:] = handlers


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["diff", *(str(argument) for argument in arguments)])


def saved(folder: Path, name: str, *items: dict[str, object]) -> Path:
    path = folder / name
    path.write_bytes(slime_page(*items))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    entries = tmp_path / "entries"
    entries.mkdir()
    (entries / "orders.yaml").write_text(ENTRY)
    path = tmp_path / "meshregistry.yaml"
    # The ports of a running service: nothing may be opened on them, nor saved.
    path.write_text(
        f"k8s_source: {{enabled: true, enable_config_file: true, config_path: {entries}}}\n"
        f"aux_addr: 127.0.0.1:1\nmcp: {{server_url: 'xds://127.0.0.1:1'}}\ndata_dir: {tmp_path}/data\n"
        f"admin: {{socket: {tmp_path}/admin.sock}}\n"
    )
    return path


def test_equal_pages_exit_with_0(tmp_path: Path) -> None:
    result = run("--against", saved(tmp_path, "a", ITEM), "--ours", saved(tmp_path, "b", ITEM))

    assert (0, "") == (result.exit_code, result.stderr)
    assert "1 hosts are equal; no difference" in result.stdout


def test_different_pages_exit_with_1_and_json_says_how(tmp_path: Path) -> None:
    other = ITEM | {"Spec": SPEC | {"endpoints": []}}
    pages = ("--against", saved(tmp_path, "a", ITEM), "--ours", saved(tmp_path, "b", other))

    assert (1, True) == (run(*pages).exit_code, "  - 10.0.0.1:" in run(*pages).stdout)
    document = orjson.loads(run(*pages, "--json").stdout)
    assert [("endpoint", "10.0.0.1:")] == [(each["what"], each["subject"]) for each in document["differences"]]


def test_what_cannot_be_read_exits_with_2_and_both_sides_are_named(tmp_path: Path) -> None:
    result = run("--against", "http://127.0.0.1:1", "--ours", tmp_path, "--json")

    assert (2, "") == (result.exit_code, result.stdout)
    assert "error: http://127.0.0.1:1: " in result.stderr
    assert f"error: {tmp_path}: Is a directory" in result.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[{", b"x" * 1000])
def test_a_file_that_is_no_page_exits_with_2(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(content)

    result = run("--against", bad, "--ours", saved(tmp_path, "a", ITEM))

    assert (2, True) == (result.exit_code, f"error: {bad}: not an xdsCache page" in result.stderr)


def test_settings_are_read_in_a_shadow_that_opens_no_port_and_leaves_nothing(tmp_path: Path, config: Path) -> None:
    result = run("--against", saved(tmp_path, "a", ITEM), "--config", config)

    assert (0, "") == (result.exit_code, result.stderr)
    assert {"entries", "meshregistry.yaml", "a"} == {path.name for path in tmp_path.iterdir()}


def test_a_shadow_whose_sources_do_not_answer_names_them(tmp_path: Path) -> None:
    config = tmp_path / "meshregistry.yaml"
    config.write_text("nacos_source: {enabled: true, address: ['http://127.0.0.1:1']}\n")

    result = run("--against", saved(tmp_path, "a"), "--config", config, "--wait", "300ms")

    assert (2, "error: not read within 0.3 s: nacos\n") == (result.exit_code, result.stderr)


def test_a_shadow_without_a_source_is_not_waited_for(tmp_path: Path) -> None:
    config = tmp_path / "meshregistry.yaml"
    config.write_text("log: {level: info}\n")

    result = run("--against", saved(tmp_path, "a"), "--config", config)

    assert (2, "error: no source is enabled: there is nothing to compare\n") == (result.exit_code, result.stderr)


def test_an_interrupt_and_an_unforeseen_error_do_not_look_like_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(error: BaseException) -> Callable[..., NoReturn]:
        async def compare(*arguments: object) -> NoReturn:
            raise error

        return compare  # type: ignore[return-value]

    for error, code in ((KeyboardInterrupt(), 130), (RuntimeError("unforeseen"), 2)):
        monkeypatch.setattr("meshregistry.side_by_side.compare_sides", broken(error))
        assert code == run("--against", saved(tmp_path, "a")).exit_code


@pytest.mark.parametrize("place", ["sources.nacos.source.NacosSource.run", "app.App.wait_complete"])
def test_a_fault_that_nobody_foresaw_shows_no_secret_of_the_settings(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither that of a source, which is logged with its traceback, nor one that ends the command."""

    async def fail(*_: object) -> NoReturn:
        raise RuntimeError("no way to http://u:pike-perch@n with swordfish for goldfish")

    monkeypatch.setattr(f"meshregistry.{place}", fail)
    config = tmp_path / "meshregistry.yaml"
    config.write_text("nacos_source: {enabled: true, address: ['http://127.0.0.1:1'], password: swordfish}\n")

    result = run("--against", saved(tmp_path, "a"), "--config", config, "--wait", "300ms", "--token", "goldfish")

    assert 2 == result.exit_code
    assert "RuntimeError: no way to http://***@n with *** for ***" in result.stderr


@pytest.mark.parametrize(
    "url", ["http://", "http://reader:swordfish@127.0.0.1:99999", "http://[::1", "ftp://x", "", "/"]
)
def test_what_is_no_url_and_no_file_is_trouble_and_shows_no_password(url: str, tmp_path: Path) -> None:
    result = run("--against", url, "--ours", saved(tmp_path, "a"))

    assert (2, True) == (result.exit_code, result.stderr.startswith("error: "))
    assert "swordfish" not in result.output


def test_faults_of_the_settings_exit_with_2(tmp_path: Path) -> None:
    config = tmp_path / "meshregistry.yaml"
    config.write_text("guard: {empty_grace: [1]}\n")

    result = run("--against", saved(tmp_path, "a"), "--config", config)

    assert (2, True) == (result.exit_code, "guard.empty_grace" in result.stderr)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--ours", "x", "--config", "y"],
        ["--timeout", "soon"],
        ["--token", "${NO_SUCH_VARIABLE}"],
        ["--limit", "-1"],
    ],
)
def test_wrong_usage_exits_with_2(wrong: list[str]) -> None:
    assert 2 == run("--against", "page", *wrong).exit_code


class Flapping(http.server.BaseHTTPRequestHandler):
    """The first answer lacks what the second has."""

    answers: Iterator[bytes]

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(next(self.answers))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_confirm_reports_only_what_differs_both_times(tmp_path: Path) -> None:
    Flapping.answers = iter([slime_page(), slime_page(ITEM)])
    server = http.server.HTTPServer(("127.0.0.1", 0), Flapping)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    url = f"http://127.0.0.1:{server.server_port}"
    result = run("--against", url, "--ours", saved(tmp_path, "a", ITEM), "--confirm", "10ms")

    server.shutdown()
    thread.join()
    server.server_close()
    assert 0 == result.exit_code
