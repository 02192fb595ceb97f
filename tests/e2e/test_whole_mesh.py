"""The picture of docker-compose.yml, run natively."""

import os
from functools import partial
from pathlib import Path

import pytest

from tests.support.http_get import fetch, wait_until
from tests.support.whole_mesh import SERVICES, running_mesh

pytestmark = pytest.mark.timeout(300)
"""Three servers on the Java machine start one beside the other."""


def test_a_request_reaches_an_instance_that_only_a_registry_knows(tmp_path: Path) -> None:
    """Through Envoy where ISTIOD_BIN names an istiod; without one, as far as what the mesh is offered."""
    with running_mesh(tmp_path, os.environ.get("ISTIOD_BIN", "")) as mesh:
        wait_until(lambda: all(host in mesh.offered() for host in SERVICES), "offer of both services")
        for host in SERVICES:
            if mesh.proxy:
                wait_until(partial(mesh.answers, host), f"answer of {host}")
                assert (200, f"{host} answered by 127.0.0.1:{mesh.service}\n") == mesh.call(host)
            assert (200, f"{host} answered by 127.0.0.1:{mesh.service}\n") == fetch(
                f"http://127.0.0.1:{mesh.service}/", host
            )
