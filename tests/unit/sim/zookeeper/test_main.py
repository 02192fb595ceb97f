"""The simulated ZooKeeper as a process."""

import json
import signal
import subprocess
import sys
import urllib.request
from typing import Any


def test_the_process_says_where_it_listens_churns_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "meshregistry.sim.zookeeper", "--port", "0", "--control-port", "0"]
    load = ["--interfaces", "3", "--applications", "2", "--churn-s", "0.01"]
    with subprocess.Popen([*command, *load], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready, listening, _, nodes, control = process.stdout.readline().split()
        try:
            url = control.removeprefix("control=")
            first = _state(url)
            assert ("SIM READY", nodes) == (f"{ready} {listening}", f"nodes={first['nodes']}")
            while _state(url)["zxid"] <= first["zxid"]:
                pass
        finally:
            process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(10)


def _state(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/sim/state", timeout=5) as reply:
        return json.load(reply)
