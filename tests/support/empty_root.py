"""An empty Debian root with the built wheel in it: the image without a container engine.

debootstrap makes the root once (cached under `.cache`); mounts that last as long as one process make it read-only and
put the environment, the settings and a writable folder into it. Needs root and Debian.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pip

from tests.support.image_file import Image
from tests.support.registries import install_debian_packages, last_lines

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache"
ENVIRONMENT = "/opt/meshregistry"

_PACKAGES = "python3"
_PATH = "/usr/bin:/bin"
_TIMEOUT_S = 540
_SCRATCH = "/mnt"
"""Where the build sees what the image must not hold: pip, wheels, source."""

_BUILD = f"""
set -e
install="{_SCRATCH}/pip --quiet install --no-index --find-links {_SCRATCH}/wheels --no-cache-dir --no-compile"
python3 -m venv --without-pip {ENVIRONMENT}
python3 -m venv --without-pip {_SCRATCH}/build
cd {_SCRATCH}/source
{ENVIRONMENT}/bin/python $install --require-hashes -r requirements/runtime.txt
{_SCRATCH}/build/bin/python $install --require-hashes -r requirements/build.txt
{_SCRATCH}/build/bin/python -m hatchling build -t wheel -d {_SCRATCH}/dist
{ENVIRONMENT}/bin/python $install --no-deps {_SCRATCH}/dist/*.whl
{_SCRATCH}/build/bin/python -m cyclonedx_py environment {ENVIRONMENT}/bin/python -o {ENVIRONMENT}/sbom.cdx.json
{ENVIRONMENT}/bin/python -m compileall -q {ENVIRONMENT}/lib
"""
"""What the first stage of the Dockerfile does."""


class RootUnavailable(Exception):
    """A root could not be made; the message ends with what was printed last."""


class Mount(NamedTuple):
    """A folder of this machine at a place in the root."""

    source: Path
    target: str
    writable: bool = False


class EmptyRoot(NamedTuple):
    """A root with the service in it; everything is read-only but what a run mounts as writable."""

    image: Image
    base: Path
    environment: Path

    def command(self, mounts: Sequence[Mount], words: Sequence[str]) -> list[str]:
        """Return the command line that runs a program in it as a container does: the image's user, no capability."""
        as_user = ["setpriv", f"--reuid={self.image.user}", f"--regid={self.image.group}", "--clear-groups"]
        as_user += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        environment = ["env", f"PATH={self.image.path}:{_PATH}"]
        opt = Mount(self.environment, "/opt")
        return _enter(self.base, (opt, *mounts), [*as_user, "--", *environment, *words])


def why_unavailable() -> str:
    """Return why such a root cannot be made here; empty when it can."""
    if os.geteuid() != 0:
        return "mounts and chroot need root"
    return "" if shutil.which("apt-get") else "debootstrap needs Debian"


def build_root(image: Image, home: Path) -> EmptyRoot:
    """Install the wheel and its locked dependencies, in folders of `home`. Raises RootUnavailable."""
    base = _debian(image)
    parts = {name: home / name for name in ("opt", "scratch", "tmp")}
    for part in parts.values():
        part.mkdir()
    _fill_scratch(parts["scratch"])
    places = {"opt": "/opt", "scratch": _SCRATCH, "tmp": "/tmp"}
    mounts = [Mount(parts[name], at, writable=True) for name, at in places.items()]
    _run(_enter(base, mounts, ["sh", "-c", _BUILD]))
    for name in ("scratch", "tmp"):
        shutil.rmtree(parts[name])
    return EmptyRoot(image, base, parts["opt"])


def _fill_scratch(scratch: Path) -> None:
    source = scratch / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("meshregistry", "requirements"):
        shutil.copytree(PROJECT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source / name)
    shutil.copytree(Path(pip.__file__).parent, scratch / "pip", ignore=ignored)
    wheels = CACHE / "wheels"
    for lock in ("runtime.txt", "build.txt"):
        words = ["download", "--quiet", "--no-deps", "--require-hashes", "-r", str(PROJECT / "requirements" / lock)]
        _run([sys.executable, "-m", "pip", *words, "-d", str(wheels)])
    shutil.copytree(wheels, scratch / "wheels")


def _debian(image: Image) -> Path:
    """Return a root with Python and the image's folders and links; made once."""
    CACHE.mkdir(exist_ok=True)
    root = CACHE / f"debian-{image.suite}"
    with _locked(CACHE / "debian.lock"):
        if not root.exists():
            install_debian_packages()
            unfinished = root.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            options = ["--variant=minbase", f"--include={_PACKAGES}"]
            _run(["debootstrap", *options, image.suite, str(unfinished)])
            unfinished.rename(root)
    for folder in ("/etc/meshregistry", *image.folders):
        (root / folder[1:]).mkdir(parents=True, exist_ok=True)
    for link, target in image.links.items():
        place = root / link[1:]
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    return root


def _enter(base: Path, mounts: Sequence[Mount], words: Sequence[str]) -> list[str]:
    """Return the command line that runs a program in a root; the mounts end with it."""
    root = shlex.quote(str(base))
    script = ["set -e", f"mount --bind {root} {root}"]
    script += [f"mount --rbind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
    for mount in mounts:
        place = f"{root}{mount.target}"
        script.append(f"mount --bind {shlex.quote(str(mount.source))} {place}")
        script += [] if mount.writable else [f"mount -o remount,bind,ro {place}"]
    script += [f"mount -o remount,bind,ro {root}", f"exec chroot {root} env -i PATH={_PATH} {shlex.join(words)}"]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(script)]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RootUnavailable(str(error)) from error
    if done.returncode != 0:
        raise RootUnavailable(f"{command[0]} failed\n{last_lines(done.stdout + done.stderr)}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
