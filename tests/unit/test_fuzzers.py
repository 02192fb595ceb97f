"""Every module that makes something of bytes from outside has a fuzzer; a new one without fails here.

Such a module is found by what it decodes with. One that others stand in front of is fuzzed through one of these.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.test_architecture import PACKAGE, imports, modules

TESTS = Path(__file__).resolve().parents[1]

CALLS = {
    "msgspec.json.decode",
    "msgspec.json.Decoder",
    "msgspec.msgpack.decode",
    "orjson.loads",
    "json.loads",
    "base64.b64decode",
    "zlib.decompressobj",
    "gzip.decompress",
    "int.from_bytes",
    "struct.unpack",
    "yaml.load",
    "yaml.load_all",
    "yaml.safe_load",
    "yaml.compose_all",
    "yaml.parse",
    "understood",
    "decode_each",
    "Fields",
    "unquote",
    "unquote_plus",
    "unquote_to_bytes",
}
"""What bytes, or texts from outside, are decoded with; beside it `struct`'s methods, and `decode` of bytes."""


class Fuzzer(NamedTuple):
    """Where a module is fuzzed, and through which other module if not by itself."""

    path: str
    through: str = ""


KUBERNETES = "unit/kubernetes/test_garbage.py"
NACOS = "unit/sources/nacos/test_garbage.py"
EUREKA = "unit/sources/eureka/test_garbage.py"
ZOOKEEPER = "unit/sources/zookeeper/test_garbage.py"
SESSION = "unit/sources/zookeeper/session"
FILES = "unit/sources/files/test_garbage.py"
REPLICA = "unit/replica/test_garbage.py"

FUZZERS = {
    "admin/protocol.py": Fuzzer("unit/admin/test_protocol.py"),
    "comparison/page.py": Fuzzer("unit/comparison/test_page.py"),
    "kubernetes/access.py": Fuzzer(KUBERNETES),
    "kubernetes/client.py": Fuzzer(KUBERNETES),
    "kubernetes/follower.py": Fuzzer(KUBERNETES),
    "kubernetes/settings_objects.py": Fuzzer(KUBERNETES),
    "kubernetes/shelves.py": Fuzzer(KUBERNETES),
    "model/protocols.py": Fuzzer("unit/model/test_protocols.py"),
    "ledger.py": Fuzzer("unit/test_ledger.py"),
    "replica/link.py": Fuzzer(REPLICA),
    "replica/state.py": Fuzzer(REPLICA),
    "store/decisions.py": Fuzzer(REPLICA),
    "settings/document.py": Fuzzer("unit/settings/test_load.py", "settings/load.py"),
    "settings/location.py": Fuzzer("unit/settings/test_location.py"),
    "sources/eureka/dialects.py": Fuzzer(EUREKA),
    "sources/eureka/wire.py": Fuzzer(EUREKA),
    "sources/failures.py": Fuzzer("unit/sources/test_failures.py"),
    "sources/files/documents.py": Fuzzer(FILES),
    "sources/files/fields.py": Fuzzer(FILES, "sources/files/documents.py"),
    "sources/files/folder.py": Fuzzer(FILES),
    "sources/metadata.py": Fuzzer("unit/sources/test_metadata.py"),
    "sources/nacos/instances.py": Fuzzer(NACOS),
    "sources/nacos/messages.py": Fuzzer(NACOS),
    "sources/nacos/namespaces.py": Fuzzer(NACOS),
    "sources/nacos/payload.py": Fuzzer("unit/sources/nacos/test_payload.py"),
    "sources/nacos/wire.py": Fuzzer(NACOS),
    "sources/yaml_text.py": Fuzzer("unit/sources/test_yaml_text.py"),
    "sources/zookeeper/curator.py": Fuzzer(ZOOKEEPER),
    "sources/zookeeper/dubbo/applications.py": Fuzzer(ZOOKEEPER),
    "sources/zookeeper/dubbo/rule_nodes.py": Fuzzer(ZOOKEEPER),
    "sources/zookeeper/dubbo/url.py": Fuzzer("unit/sources/zookeeper/dubbo/test_url.py"),
    "sources/zookeeper/session/exchange.py": Fuzzer(f"{SESSION}/test_exchange.py"),
    "sources/zookeeper/session/frames.py": Fuzzer(f"{SESSION}/test_frames.py"),
    "sources/zookeeper/session/greeting.py": Fuzzer(f"{SESSION}/test_greeting.py"),
    "sources/zookeeper/session/jute.py": Fuzzer(f"{SESSION}/test_jute.py"),
    "sources/zookeeper/session/requests.py": Fuzzer(f"{SESSION}/test_requests.py"),
    "sources/zookeeper/session/sasl.py": Fuzzer(f"{SESSION}/test_sasl.py"),
    "store/saved.py": Fuzzer("unit/store/test_saved.py"),
    "watch/codec.py": Fuzzer("unit/watch/test_codec.py"),
    "watch/fields.py": Fuzzer("unit/watch/test_codec.py", "watch/codec.py"),
    "watch/sidecars.py": Fuzzer("unit/watch/test_sidecars.py"),
    "wire/fields.py": Fuzzer("unit/xds/test_requests.py", "xds/requests.py"),
    "xds/expiry.py": Fuzzer("unit/xds/test_expiry.py"),
    "xds/requests.py": Fuzzer("unit/xds/test_requests.py"),
}

UNTOUCHED = {
    "admin/door.py": "the kernel's twelve bytes about a client's user",
    "cli_admin.py": "what this program has just written",
    "comparison/report.py": "what this program has just written",
    "grpc/messages.py": "the five bytes before a message",
    "http/text.py": "what this program has just written",
    "model/dubbo_naming.py": "ASCII that it has just made",
    "settings/references.py": "one file of the operator's, text or a fault",
    "settings/secrets.py": "addresses that were checked before",
    "telemetry/logs.py": "what this program has just written",
}
"""Module → why nothing that it decodes can surprise it."""


def decoding(tree: ast.Module) -> Iterator[str]:
    """Yield what a module decodes with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in CALLS or _is_of_bytes(node):
                yield name
        if isinstance(node, ast.Attribute) and node.attr in {"unpack", "unpack_from", "iter_unpack"}:
            yield node.attr


def _is_of_bytes(call: ast.Call) -> bool:
    """Whether a call is `bytes.decode`, which has the name of an encoding at most, and not of what was just encoded."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "decode":
        return False
    is_own = isinstance(call.func.value, ast.Call) and "encode" in ast.unparse(call.func.value.func)
    return not is_own and all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in call.args)


def found() -> dict[str, set[str]]:
    places = {path: set(decoding(tree)) for path, tree in modules().items() if not path.startswith("sim/")}
    return {path: used for path, used in places.items() if used}


def is_fuzzed(test: ast.Module) -> bool:
    """Whether a test takes what hypothesis gives."""
    functions = [node for node in ast.walk(test) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(ast.unparse(each).startswith("given(") for node in functions for each in node.decorator_list)


def dotted(path: str) -> str:
    return ".".join([PACKAGE, *Path(path).with_suffix("").parts])


def test_every_module_that_decodes_has_a_fuzzer_or_a_reason_to_have_none() -> None:
    assert found().keys() == FUZZERS.keys() | UNTOUCHED.keys()
    assert set() == FUZZERS.keys() & UNTOUCHED.keys()


@pytest.mark.parametrize("path", FUZZERS)
def test_a_fuzzer_is_there_and_drives_its_module(path: str) -> None:
    fuzzer = FUZZERS[path]
    through = fuzzer.through or path
    test = ast.parse((TESTS / fuzzer.path).read_text())
    imported = set(imports(fuzzer.path, test))

    assert is_fuzzed(test)
    assert any(name == dotted(through) or name.startswith(f"{dotted(through)}.") for name in imported)
    if fuzzer.through:
        assert any(name.startswith(f"{dotted(path)}.") for name in _reached(through))


def _reached(path: str) -> set[str]:
    """Return what a module imports, and what the modules of the package import that it does."""
    trees = modules()
    direct = set(imports(path, trees[path]))
    places = {each: dotted(each) for each in trees}
    further = [each for each, name in places.items() if any(found.startswith(f"{name}.") for found in direct)]
    return direct.union(*(imports(each, trees[each]) for each in further))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("msgspec.json.decode(body, type=int)", {"msgspec.json.decode"}),
        ("_HEAD = struct.Struct('>I')\n_HEAD.unpack_from(frame)", {"unpack_from"}),
        ("frame.decode()", {"frame.decode"}),
        ("frame.decode('utf-8', 'replace')", {"frame.decode"}),
        ("text.encode().decode()", set()),
        ("decode(body)", set()),
        ("_ANSWER.decode(body)", set()),
    ],
)
def test_what_decodes_is_seen(source: str, expected: set[str]) -> None:
    assert expected == set(decoding(ast.parse(source)))


if __name__ == "__main__":
    sys.stdout.write("\n".join(sorted({f"tests/{fuzzer.path}" for fuzzer in FUZZERS.values()})) + "\n")
