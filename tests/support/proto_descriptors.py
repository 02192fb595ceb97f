"""Our protos compiled by protoc into descriptors of Google's own runtime, without betterproto."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc  # type: ignore[import-untyped]

PROTO_ROOT = Path(__file__).resolve().parents[2] / "proto"


@cache
def compile_descriptors() -> FileDescriptorSet:
    """Every file under ``proto/`` and what it imports."""
    protos = sorted(path.relative_to(PROTO_ROOT).as_posix() for path in PROTO_ROOT.rglob("*.proto"))
    bundled = files("grpc_tools") / "_proto"
    with TemporaryDirectory() as scratch:
        output = Path(scratch) / "descriptors"
        includes = [f"--proto_path={PROTO_ROOT}", f"--proto_path={bundled}"]
        status = protoc.main(
            ["protoc", *includes, "--include_imports", f"--descriptor_set_out={output}", *protos],
        )
        assert status == 0, "protoc failed; its message is on standard error"
        return FileDescriptorSet.FromString(output.read_bytes())


@cache
def descriptor_pool() -> DescriptorPool:
    """The compiled descriptors in a pool of their own, apart from the one xds-protos registers itself in."""
    pool = DescriptorPool()
    for file in compile_descriptors().file:
        pool.Add(file)
    return pool
