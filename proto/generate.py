"""Generate ``meshregistry/_proto`` from the protos beside this file; running it again changes nothing.

Usage: ``python proto/generate.py [OUTPUT_DIRECTORY]``. Needs the development dependencies (grpcio-tools for protoc,
betterproto's compiler plugin) in the environment of the running interpreter.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO_ROOT = Path(__file__).resolve().parent
PACKAGE = PROTO_ROOT.parent / "meshregistry" / "_proto"
PLUGIN = Path(sys.executable).parent / "protoc-gen-python_betterproto"


def compile_protos(directory: Path) -> None:
    """Run protoc with betterproto's plugin over every proto and write the modules into ``directory``.

    Raises subprocess.CalledProcessError when protoc fails; its message is on standard error.
    """
    protos = sorted(path.relative_to(PROTO_ROOT).as_posix() for path in PROTO_ROOT.rglob("*.proto"))
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc"),
        f"--plugin=protoc-gen-python_betterproto={PLUGIN}",
        f"--proto_path={PROTO_ROOT}",
        f"--python_betterproto_out={directory}",
        *protos,
    ]
    subprocess.run(command, check=True)


def generate(target: Path) -> None:
    """Replace ``target`` by freshly generated code; nothing is touched when the compiler fails."""
    with tempfile.TemporaryDirectory() as scratch:
        compile_protos(Path(scratch))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(scratch, target)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE)
