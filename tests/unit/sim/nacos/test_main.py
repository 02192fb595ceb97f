"""The simulated Nacos as a process."""

import signal
import subprocess
import sys
import urllib.request


def test_the_process_says_where_it_listens_churns_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "meshregistry.sim.nacos", "--port", "0", "--dialect", "3.x"]
    load = ["--services", "3", "--instances", "2", "--churn-s", "0.01"]
    with subprocess.Popen([*command, *load], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready, listening, url, *counts = process.stdout.readline().split()
        try:
            assert ["SIM", "READY", "services=3", "instances=6"] == [ready, listening, *counts]
            while b"11.0.0." not in _hosts(url):
                pass
        finally:
            process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(10)


def _hosts(url: str) -> bytes:
    path = "/nacos/v3/client/ns/instance/list?serviceName=svc-00000"
    with urllib.request.urlopen(f"{url}{path}", timeout=5) as reply:
        return bytes(reply.read())
