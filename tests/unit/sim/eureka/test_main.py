"""The simulated Eureka as a process: demo content, churn, control calls."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any


def call(url: str, method: str = "GET", body: object = None) -> Any:
    """Make a call and decode its answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as reply:
        return json.loads(reply.read())


def test_the_process_says_where_it_listens_churns_obeys_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "meshregistry.sim.eureka", "--port", "0", "--peers", "2", "--cache-s", "0"]
    load = ["--applications", "3", "--instances", "2", "--churn-s", "0.01"]
    with subprocess.Popen([*command, *load], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready, listening, urls, *counts = process.stdout.readline().split()
        first, second = urls.split(",")
        control = first.removesuffix("/eureka")
        try:
            assert ["SIM", "READY", "applications=3", "instances=6"] == [ready, listening, *counts]
            while "11.0.0." not in str(call(f"{second}/apps")):
                pass
            call(f"{control}/sim/faults", "PUT", [{"path": "/apps", "status": 503, "times": 1}])
            assert 503 == status(f"{first}/apps")
            assert 6 == sum(len(each["instance"]) for each in call(f"{first}/apps")["applications"]["application"])
            call(f"{control}/sim/codec", "PUT", {"numeric_version": True})
            assert 1 == call(f"{first}/apps")["applications"]["versions__delta"]
            before = call(f"{control}/sim/clock", "POST", {})["now"]
            assert 3600 <= call(f"{control}/sim/clock", "POST", {"advance_s": 3600})["now"] - before < 3700
            assert {"lost": 6} == call(f"{control}/sim/restart", "POST", {"reregister_after_s": 0.01})
            assert 400 == status(f"{control}/sim/load", b"{}")
            assert 404 == status(f"{control}/sim/nothing")
            assert 2 <= call(f"{control}/sim/traffic")["requests"]["GET /eureka/apps"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(10)


def status(url: str, body: bytes | None = None) -> int:
    """The status of a call that is refused."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
