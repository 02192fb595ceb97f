"""The picture of docker-compose.yml, run natively, and the tutorial followed on it."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.http_get import fetch, wait_until
from tests.support.whole_mesh import ROOT, SERVICES, Mesh, running_mesh

pytestmark = pytest.mark.timeout(300)
"""Three servers on the Java machine start one beside the other."""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """The picture; with Envoy where ISTIOD_BIN names an istiod."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), os.environ.get("ISTIOD_BIN", "")) as running:
        yield running


def tutorial(mesh: Mesh) -> list[list[str]]:
    """Return the curl commands of the tutorial with the addresses of a running picture."""
    lines = re.findall(r"^\$ (curl .*)$", (ROOT / "docs/tutorial.md").read_text("utf-8"), re.MULTILINE)
    addresses = {
        "http://127.0.0.1:8848": mesh.nacos,
        "127.0.0.1:8081": f"127.0.0.1:{mesh.pages}",
        "127.0.0.1:15080": f"127.0.0.1:{mesh.proxy}",
        "ip=$IP&port=8080": f"ip=127.0.0.1&port={mesh.service}",
    }
    for composed, native in addresses.items():
        assert any(composed in line for line in lines)
        lines = [line.replace(composed, native) for line in lines]
    return [shlex.split(line) for line in lines]


def output(command: list[str]) -> str:
    """Return what a command prints; "" while it fails."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


def test_a_request_reaches_an_instance_that_only_a_registry_knows(mesh: Mesh) -> None:
    """Through Envoy where there is an istiod; without one, as far as what the mesh is offered."""
    wait_until(lambda: all(host in mesh.offered() for host in SERVICES), "offer of both services")
    for host in SERVICES:
        if mesh.proxy:
            wait_until(partial(mesh.answers, host), f"answer of {host}")
            assert (200, f"{host} answered by 127.0.0.1:{mesh.service}\n") == mesh.call(host)
        assert (200, f"{host} answered by 127.0.0.1:{mesh.service}\n") == fetch(
            f"http://127.0.0.1:{mesh.service}/", host
        )


def test_the_commands_of_the_tutorial_do_what_it_says(mesh: Mesh) -> None:
    register, show, call, deregister, why = tutorial(mesh)

    assert "ok" == output(register)
    wait_until(lambda: "hello.nacos.svc.cluster.local" in output(show), "entry of the registration")
    assert '"address": "127.0.0.1"' in output(show)
    if mesh.proxy:
        expected = f"hello.nacos.svc.cluster.local answered by 127.0.0.1:{mesh.service}\n"
        wait_until(lambda: expected == output(call), "answer through the mesh")
    assert "ok" == output(deregister)
    wait_until(lambda: re.search(r"\b(kept|emptied)\b", output(why)) is not None, "reason of the last endpoint")
