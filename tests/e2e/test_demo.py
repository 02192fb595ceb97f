"""The demo as a newcomer runs it: a process, its printed lines, the curl lines it prints, and Ctrl-C."""

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
HELLO = "hello.nacos.svc.cluster.local (nacos/hello.nacos)"

pytestmark = pytest.mark.timeout(180)  # waits for what the demo prints, however slow the machine is


class Demo:
    """A running demo; `guide` is what it printed before the first change in the mesh."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.guide = self.wait_for("Ctrl-C stops everything")

    def request(self, url: str, method: str = "GET") -> str:
        """Return the body of an answer."""
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as reply:
            return str(reply.read(), "utf-8")

    def wait_for(self, text: str) -> str:
        """Read until a line holds the text; return what was read. Fails when the demo ends before."""
        assert self.process.stdout is not None
        seen = ""
        for line in self.process.stdout:
            seen += line
            if text in line:
                return seen
        raise AssertionError(f"the demo ended before it printed {text!r}:\n{seen}")


@pytest.fixture
def demo() -> Iterator[Demo]:
    nacos, ads, http = free_ports(3)
    ports = [f"--nacos-port={nacos}", f"--ads-port={ads}", f"--http-port={http}"]
    with subprocess.Popen(
        [sys.executable, "-m", "meshregistry", "demo", *ports],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_take_interrupts,
    ) as process:
        try:
            yield Demo(process)
        finally:
            process.kill()


def test_what_the_demo_prints_works_and_ctrl_c_stops_it(demo: Demo) -> None:
    demo.wait_for("synced: 14 types answered, 4 ServiceEntries")
    urls = re.findall(r"curl -s '(http://[^']*)'", demo.guide)
    assert ["{}"] == [body for body in map(demo.request, urls) if body == "{}"], "only hello is not there yet"

    registration = re.findall(r"curl -X POST '(http://[^']*)'", demo.guide)[0]
    demo.request(registration, "POST")
    demo.wait_for(f"+ created {HELLO}")
    assert "10.1.2.3" in demo.request(urls[-1])

    demo.request(registration, "DELETE")
    demo.wait_for(f"~ updated {HELLO}: 10.1.2.3:8080 left")
    assert "10.1.2.3" not in demo.request(urls[-1])
    demo.wait_for(f"- deleted {HELLO}")

    demo.process.send_signal(signal.SIGINT)
    output, _ = demo.process.communicate(timeout=30)
    assert (0, "stopped") == (demo.process.returncode, output.splitlines()[-1])
    assert "Traceback" not in output


def _take_interrupts() -> None:
    """A run in the background of a shell ignores Ctrl-C, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
