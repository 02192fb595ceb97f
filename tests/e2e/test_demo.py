"""The demo as a newcomer runs it: a process, its printed lines, the curl lines it prints, and Ctrl-C."""

import itertools
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]


class Hello(NamedTuple):
    """What the client calls the service `hello`, and its instance."""

    service: str
    instance: str


NAMES = {
    "nacos": Hello("hello.nacos.svc.cluster.local (nacos/hello.nacos)", "10.1.2.3:8080"),
    "zookeeper": Hello("com.acme.hello.dubbo", "10.1.2.3:20880"),
    "eureka": Hello("hello.eureka.svc.cluster.local (eureka/hello.eureka)", "10.1.2.3:8080"),
}

pytestmark = pytest.mark.timeout(180)  # waits for what the demo prints, however slow the machine is


class Demo:
    """A running demo; `guide` is what it printed before the first change in the mesh."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.guide = self.wait_for("Ctrl-C stops everything")

    def commands(self, what: str) -> list[list[str]]:
        """Return the words of the `curl` lines with this heading."""
        return [shlex.split(line) for line in re.findall(rf"^  {what} +curl (.*)$", self.guide, re.MULTILINE)]

    def run(self, words: list[str]) -> str:
        """Do what curl does with these words; return the body of the answer."""
        told = {"-X": "GET", "-d": "", "-H": ""}
        for flag, value in itertools.pairwise(words):
            told[flag] = value if flag in told else ""
        headers = dict([told["-H"].split(": ")] if told["-H"] else [])
        request = urllib.request.Request(words[-1], told["-d"].encode() or None, headers, method=told["-X"])
        with urllib.request.urlopen(request, timeout=30) as reply:
            return str(reply.read(), "utf-8")

    def wait_for(self, *texts: str) -> str:
        """Read until each text has stood in a line; return what was read. Fails when the demo ends before."""
        assert self.process.stdout is not None
        seen, missing = "", set(texts)
        for line in self.process.stdout:
            seen += line
            missing = {text for text in missing if text not in line}
            if not missing:
                return seen
        raise AssertionError(f"the demo ended before it printed {sorted(missing)}:\n{seen}")


@contextmanager
def demo(*options: str) -> Iterator[Demo]:
    """Run a demo until the end of the block."""
    nacos, eureka, zookeeper, control, ads, http = free_ports(6)
    ports = [
        f"--nacos-port={nacos}",
        f"--eureka-port={eureka}",
        f"--zookeeper-port={zookeeper}",
        f"--zookeeper-control-port={control}",
        f"--ads-port={ads}",
        f"--http-port={http}",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "meshregistry", "demo", *options, *ports],
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


@pytest.mark.parametrize(
    ("options", "registries"), [((), ["nacos"]), (("--registry", "all"), ["nacos", "zookeeper", "eureka"])]
)
def test_what_the_demo_prints_works_and_ctrl_c_stops_it(options: tuple[str, ...], registries: list[str]) -> None:
    with demo(*options) as running:
        running.wait_for(f"synced: 14 types answered, {4 * len(registries)} ServiceEntries")
        assert len(registries) == len(running.commands("register an instance"))
        shown = [*running.commands("what the mesh is offered"), *running.commands("who is connected")]
        shown += [*running.commands("how it is doing"), *running.commands("one service of it")]
        assert [] == [words for words in shown if running.run(words) in ("", "{}", "[]")]

        pages = running.commands("see it")
        assert ["{}"] * len(registries) == list(map(running.run, pages))
        for words in running.commands("register an instance"):
            running.run(words)
        running.wait_for(*(f"+ created {NAMES[each].service}" for each in registries))
        assert [] == [page for page in pages if "10.1.2.3" not in running.run(page)]

        for words in running.commands("deregister it"):
            running.run(words)
        running.wait_for(*(f"~ updated {NAMES[each].service}: {NAMES[each].instance} left" for each in registries))
        assert [] == [page for page in pages if "10.1.2.3" in running.run(page)]
        if registries == ["nacos"]:
            running.wait_for(f"- deleted {NAMES['nacos'].service}")

        running.process.send_signal(signal.SIGINT)
        output, _ = running.process.communicate(timeout=30)
        assert (0, "stopped") == (running.process.returncode, output.splitlines()[-1])
        assert "Traceback" not in output


def _take_interrupts() -> None:
    """A run in the background of a shell ignores Ctrl-C, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
