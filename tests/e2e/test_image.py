"""The built wheel in an empty Debian root, started as the Dockerfile starts it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from meshregistry import __version__
from tests.support.empty_root import PROJECT, EmptyRoot, Mount, build_root, why_unavailable
from tests.support.http_get import fetch, wait_until
from tests.support.image_file import read_image
from tests.support.ports import free_ports

pytestmark = pytest.mark.timeout(600)
"""The first run makes the root: a minute."""

STOP_TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> EmptyRoot:
    reason = why_unavailable()
    if reason:
        pytest.skip(reason)
    return build_root(read_image(), tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def nacos() -> Iterator[str]:
    """The address of a simulated Nacos with three services."""
    words = ["--port", "0", "--services", "3", "--instances", "2"]
    with subprocess.Popen([sys.executable, "-m", "meshregistry.sim.nacos", *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode().split()
        assert ["SIM", "READY"] == line[:2]
        yield line[2]
        process.terminate()


class Container:
    """A running service in the root, and where its pages are."""

    def __init__(self, root: EmptyRoot, mounts: Sequence[Mount], pages: int) -> None:
        self.root = root
        self.mounts = mounts
        self.pages = f"http://127.0.0.1:{pages}"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program beside the service, with the same user and the same mounts."""
        return subprocess.run(self.root.command(self.mounts, words), capture_output=True, text=True, check=False)

    @contextmanager
    def running(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[int]:
        """Run a program until the end of the block, with SIGTERM as a kubelet ends it; gives its process id."""
        settings = [f"{name}={value}" for name, value in (environment or {}).items()]
        command = self.root.command(self.mounts, ["env", *settings, *words])
        with ExitStack() as stack:
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            try:
                wait_until(lambda: self.status("/modules/readyz") == 200 or process.poll() is not None, "readiness")
                if process.poll() is not None:
                    raise AssertionError(process.communicate()[1])
                yield process.pid
            finally:
                process.terminate()
            _, log = process.communicate(timeout=STOP_TIMEOUT_S)
            assert process.returncode == 0, log

    def status(self, page: str) -> int:
        """Return the status of a page; 0 when nobody answers."""
        return fetch(self.pages + page)[0]


def owned(folder: Path, root: EmptyRoot) -> Path:
    """Make a folder that the image's user may write."""
    folder.mkdir()
    os.chown(folder, root.image.user, root.image.group)
    return folder


def written(folder: Path, name: str, text: str) -> Path:
    """Make a folder with one file, as a mounted ConfigMap."""
    folder.mkdir()
    (folder / name).write_text(text)
    return folder


def test_the_service_runs_as_nobody_on_a_read_only_root_and_saves_its_snapshot(
    root: EmptyRoot, nacos: str, tmp_path: Path
) -> None:
    ads, pages = free_ports(2)
    settings = {
        "aux_addr": f"127.0.0.1:{pages}",
        "mcp": {"server_url": f"xds://127.0.0.1:{ads}"},
        "nacos_source": {"enabled": True, "address": [nacos]},
        "data_dir": root.image.volume,
    }
    config = written(tmp_path / "config", "meshregistry.yaml", yaml.safe_dump(settings))
    data = owned(tmp_path / "data", root)
    mounts = [Mount(config, "/etc/meshregistry"), Mount(data, root.image.volume, writable=True)]
    container = Container(root, mounts, pages)
    health = [*root.image.health, "--url", f"{container.pages}/modules/livez"]

    with container.running(root.image.command) as process:
        served = json.loads(fetch(f"{container.pages}/meshregistry/xdsCache?layout=list")[1])
        facts = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        assert 3 == len(served)
        assert [2, 2, 2] == [len(item["Spec"]["endpoints"]) for item in served]
        assert 0 == container.run(*health).returncode
        assert str(root.image.user) == facts["Uid"].split()[1]
        assert {0} == {int(facts[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")}

    assert 1 == container.run(*health).returncode
    assert "snapshot.meshregistry" in {path.name for path in data.iterdir()}


def test_the_deployment_that_slimes_operator_renders_starts_it(root: EmptyRoot, nacos: str, tmp_path: Path) -> None:
    """Command, mount, environment and probes of slime-boot's chart (boot/helm-charts/slimeboot), ports beside."""
    ads, pages = free_ports(2)
    module = {
        "name": "meshregistry",
        "kind": "meshregistry",
        "enable": True,
        "global": {"misc": {"aux-addr": f":{pages}"}},
        "general": {
            "LEGACY": {
                "Mcp": {"ServerUrl": f"xds://0.0.0.0:{ads}", "EnableIncPush": False},
                "NacosSource": {"Enabled": True, "Address": [nacos], "RefreshPeriod": "1s"},
            }
        },
    }
    container = Container(
        root, [Mount(written(tmp_path / "cfg", "cfg", json.dumps(module)), "/etc/slime/config")], pages
    )
    environment = {
        "WATCH_NAMESPACE": "mesh-operator",
        "POD_NAME": "meshregistry-0",
        "OPERATOR_NAME": "slime",
        "GODEBUG": "gctrace=1",
    }

    with container.running(["/manager"], environment):
        assert [200, 200, 200] == [
            container.status(page) for page in ("/modules/livez", "/modules/readyz", "/meshregistry/ready")
        ]
        assert 3 == len(json.loads(fetch(f"{container.pages}/meshregistry/xdsCache?layout=list")[1]))


def test_nothing_can_be_written_and_no_build_tool_is_inside(root: EmptyRoot) -> None:
    container = Container(root, (), 0)

    writing = container.run("python", "-c", "open('/opt/meshregistry/lib/x', 'w')")
    tools = container.run("sh", "-c", "command -v pip pip3 gcc cc make git; python -m pip --version")

    assert "Read-only file system" in writing.stderr
    assert "" == tools.stdout


def test_the_bill_of_materials_names_every_locked_dependency_and_nothing_else(root: EmptyRoot) -> None:
    bill = json.loads((root.environment / "meshregistry/sbom.cdx.json").read_text())
    named = {(part["name"].lower().replace("_", "-"), part["version"]) for part in bill["components"]}
    locked = (PROJECT / "requirements/runtime.txt").read_text()
    pinned = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", locked, re.MULTILINE)

    assert {("meshregistry", __version__), *pinned} == named
