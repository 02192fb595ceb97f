"""The limit of open files, of processes of their own: a hard limit that was lowered stays so."""

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from meshregistry.descriptors import count_needed
from meshregistry.settings.root import Settings

RAISE = """
import json, logging, resource, sys
from meshregistry.descriptors import raise_limit
from meshregistry.settings.root import Settings
soft, hard, settings = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
raise_limit(Settings.model_validate(settings))
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def raised(soft: int, hard: int, settings: Mapping[str, object]) -> list[str]:
    """What a process with these limits says, and the limits that it has then."""
    command = [sys.executable, "-c", RAISE, json.dumps([soft, hard, settings])]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


@pytest.mark.parametrize(("soft", "hard"), [(1024, 4096), (4096, 4096)])
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int) -> None:
    assert ["4096 4096"] == raised(soft, hard, {})


def test_a_hard_limit_below_what_the_connections_need_is_warned_of_with_both_numbers() -> None:
    settings = {"mcp": {"max_connections": 1200}, "http": {"max_connections": 200}}

    assert ["WARNING app.few_files limit=1500 needed=1608", "1500 1500"] == raised(1024, 1500, settings)


def test_every_listener_counts() -> None:
    more = {"mcp": {"shards": 3, "max_connections": 100}, "http": {"max_connections": 10}, "http_server_addr": ":8082"}

    assert 3 * 100 + 2 * 10 + 8 + 200 == count_needed(Settings.model_validate(more))


def test_the_service_raises_it_at_its_start(tmp_path: Path) -> None:
    """It says so although its port is taken a moment later."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "settings.yaml"
        path.write_text(
            f"aux_addr: 127.0.0.1:{taken.getsockname()[1]}\nnacos_source: {{enabled: true, address: ['http://x']}}\n"
        )
        command = [sys.executable, "-m", "meshregistry", "run", "--config", str(path)]
        limit = resource.RLIMIT_NOFILE, (100, 150)
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=60, preexec_fn=lambda: resource.setrlimit(*limit)
        )

    assert "app.few_files limit=150 needed=1608" in ended.stderr
    assert 1 == ended.returncode
