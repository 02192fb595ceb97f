"""Builds the real registries that the integration tests start: `python -m tests.support.registries prepare`.

Each is a small Maven project under tests/integration/registries; building it only collects its jars into
`lib/` and compiles a main class into `classes/`.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROJECTS = Path(__file__).resolve().parents[1] / "integration" / "registries"
NACOS = ("nacos2", "nacos3", "nacos-app", "nacos-dubbo")
EUREKA = ("eureka", "eureka-client")
ZOOKEEPER = ("zookeeper", "dubbo27", "dubbo3", "springcloud-zk")

_SHARED_SOURCES = {"dubbo27": ("dubbo-api",), "dubbo3": ("dubbo-api",)}
"""Project → neighbours whose sources it compiles along with its own."""

_BUILD = ("mvn", "-B", "-ntp", "-q", "prepare-package")
_BUILD_TIMEOUT_S = 1800
_SHOWN_LINES = 20
DEBIAN_ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")
NO_DEBIAN_ZOOKEEPER = (
    f"{DEBIAN_ZOOKEEPER} is missing, which the tests on ZooKeeper 3.8 need: "
    "apt-get install --no-install-recommends libzookeeper-java libslf4j-java"
)
_APT = "apt-get"
_PACKAGES = ("libzookeeper-java", "libslf4j-java", "debootstrap")


class RegistryUnavailable(Exception):
    """A real registry could not be built or started; the message ends with what it printed last."""


@contextmanager
def required() -> Iterator[None]:
    """Fail the test that needs a registry which is not available."""
    try:
        yield
    except RegistryUnavailable as error:
        pytest.fail(str(error), pytrace=False)


def prepare(name: str) -> Path:
    """Build the project unless this very source has been built; returns its folder.

    Safe to call from several processes at once: the others wait. Raises RegistryUnavailable.
    """
    project = PROJECTS / name
    with _locked(project / "target"):
        stamp = project / "target" / "prepared"
        source = _fingerprint(project)
        built = all((project / folder).is_dir() for folder in _results(project))
        if not built or not stamp.is_file() or stamp.read_text() != source:
            stamp.unlink(missing_ok=True)
            _build(project)
            stamp.write_text(source)
    return project


def install_debian_packages() -> None:
    """Install what the tests need of Debian where that is allowed; they say what is missing where it is not."""
    if DEBIAN_ZOOKEEPER.is_file() and shutil.which("debootstrap"):
        return
    if os.geteuid() == 0 and shutil.which(_APT):
        for command in ((_APT, "update"), (_APT, "install", "--yes", "--no-install-recommends", *_PACKAGES)):
            subprocess.run(command, capture_output=True, timeout=_BUILD_TIMEOUT_S, check=False)


def last_lines(text: str) -> str:
    """The end of a log, for an error message."""
    return "\n".join(text.splitlines()[-_SHOWN_LINES:])


def _build(project: Path) -> None:
    if shutil.which(_BUILD[0]) is None:
        raise RegistryUnavailable(f"{_BUILD[0]} is not installed, {project.name} cannot be built")
    try:
        done = subprocess.run(
            _BUILD, cwd=project, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RegistryUnavailable(f"{project.name}: no build within {_BUILD_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise RegistryUnavailable(f"{project.name}: build failed\n{last_lines(done.stdout + done.stderr)}")


def _results(project: Path) -> tuple[str, ...]:
    return ("lib", "classes") if (project / "src").is_dir() else ("lib",)


def _fingerprint(project: Path) -> str:
    digest = hashlib.sha256()
    shared = _SHARED_SOURCES.get(project.name, ())
    folders = [project / "src", *(PROJECTS / each / "src" for each in shared)]
    for path in (project / "pom.xml", *(path for folder in folders for path in sorted(folder.rglob("*")))):
        if path.is_file():
            digest.update(f"{os.path.relpath(path, project)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with (folder / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Build every real registry that is not built yet."""
    if sys.argv[1:] != ["prepare"]:
        sys.exit("usage: python -m tests.support.registries prepare")
    for name in (*NACOS, *ZOOKEEPER, *EUREKA):
        try:
            prepare(name)
        except RegistryUnavailable as error:
            sys.exit(str(error))
    install_debian_packages()
    if not DEBIAN_ZOOKEEPER.is_file():
        sys.stderr.write(f"{NO_DEBIAN_ZOOKEEPER}\n")


if __name__ == "__main__":
    main()
