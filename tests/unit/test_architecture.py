"""The rules of the house that a machine can check: who may import whom, what is pure, how long things are."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import meshregistry

ROOT = Path(meshregistry.__file__).resolve().parent
PACKAGE = ROOT.name

SERVER_ROOMS = {"model", "wire", "store", "xds", "http", "sources"}
COMPOSITION_ROOT = {
    "__main__",
    "adapters",
    "app",
    "changes",
    "cli",
    "cli_admin",
    "cli_diff",
    "collector",
    "contact",
    "demo",
    "descriptors",
    "demo_registries",
    "fleet",
    "inheritance",
    "patience",
    "policies",
    "policies_zookeeper",
    "reload",
    "shadow",
    "side_by_side",
    "slime_entry",
    "supervision",
    "wiring",
    "wiring_admin",
    "wiring_files",
    "wiring_zookeeper",
}
LEAVES = {"", "errors", "telemetry"}
"""What anyone may import: the package itself (its version), the exceptions, metrics and logs."""

COMPOSED = (
    SERVER_ROOMS
    | COMPOSITION_ROOT
    | {"admin", "comparison", "kubernetes", "ledger", "persistence", "replica", "settings", "watch", "sim"}
)

MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "errors": set(),
    "telemetry": set(),
    "_proto": set(),
    "grpc": set(),
    "persistence": {"store"},
    "ledger": {"model", "store", "persistence"},
    "admin": {"model", "store"},
    "settings": set(),
    "model": set(),
    "wire": {"model"},
    "store": {"model", "wire"},
    "sources": {"model", "grpc"},
    "http": {"model", "wire", "store"},
    "xds": {"model", "wire", "store", "grpc"},
    "watch": {"grpc", "_proto"},
    "replica": {"model", "wire", "store", "grpc", "_proto"},
    "sim": {"grpc"},
    "comparison": set(),
    "kubernetes": {"model"},
    **dict.fromkeys(COMPOSITION_ROOT, COMPOSED),
}
"""Room → rooms it may import, besides itself and the leaves."""

GRPC_PLACES = ("grpc", "xds", "sources/nacos", "watch", "sim", "replica")
MESSAGE_PLACES = ("watch", "replica")
FOREIGN_PLACES: dict[str, tuple[str, ...]] = {
    "grpclib": GRPC_PLACES,
    "h2": GRPC_PLACES,
    "betterproto": MESSAGE_PLACES,
    "aiohttp": ("http", "sources", "sim", "comparison", "kubernetes"),
    "prometheus_client": ("telemetry", "http"),
    "pydantic": ("settings",),
    "watchfiles": ("sources/files",),
    "aiozk": (),
    "kazoo": (),
}
"""Library → folders that may import it; none for ZooKeeper's clients: docs/adr/0005."""

PURE_ROOMS = ("model", "wire", "sources/zookeeper/dubbo")
PURE_MODULES = {
    "curator.py",
    "spring.py",
    "steps.py",
    "wire.py",
    "protocol.py",
    "coverage.py",
    "subscription.py",
    "sotw.py",
    "delta.py",
    "incremental.py",
    "tombstones.py",
}
PURE_PLACES = {
    f"sources/zookeeper/session/{name}.py"
    for name in (
        "backoff",
        "capabilities",
        "exchange",
        "frames",
        "greeting",
        "identity",
        "jute",
        "liveness",
        "paths",
        "requests",
        "sasl",
        "watches",
    )
}
"""Modules that decide and never wait, where only some modules of a folder are so."""

IMPURE_LIBRARIES = {"asyncio", "anyio", "aiohttp", "grpclib", "betterproto", "socket", "threading", "subprocess"}

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
MODULE_LINES = 450
FUNCTION_LINES = 60

STRAY_TASKS = {
    "sources/cancellation.py:run_apart": "it waits for its task itself, as a group would lose what it is there to keep",
}
"""`module:function` → why its task may live outside a task group."""


@cache
def modules() -> dict[str, ast.Module]:
    """Every module by its path relative to the package, generated code aside."""
    paths = sorted(path for path in ROOT.rglob("*.py") if "_proto" not in path.relative_to(ROOT).parts)
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in paths}


def room_of(path: str) -> str:
    """The folder or root module a path belongs to; "" is the package itself."""
    room = path.split("/")[0].removesuffix(".py")
    return "" if room == "__init__" else room


def imports(path: str, tree: ast.Module) -> Iterator[str]:
    """Every imported dotted name, function-local and relative imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folders = [PACKAGE, *Path(path).parent.parts]
            base = folders[: len(folders) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms_imported(path: str, tree: ast.Module) -> set[str]:
    """The rooms a module imports from; a name of the package itself, such as its version, is room ""."""
    found = set()
    for name in imports(path, tree):
        package, _, rest = name.partition(".")
        if package == PACKAGE:
            room = rest.split(".")[0]
            found.add(room if (ROOT / room).is_dir() or (ROOT / f"{room}.py").exists() else "")
    return found


def libraries_imported(path: str, tree: ast.Module) -> set[str]:
    """The top-level packages a module imports."""
    return {name.split(".")[0] for name in imports(path, tree)}


def stray_tasks(tree: ast.Module) -> Iterator[str]:
    """Functions that start a task on anything but a task group opened or received by name."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            groups = set(_task_groups(function))
            if any(_starts_task(node) and _receiver(node) not in groups for node in ast.walk(function)):
                yield function.name


def _task_groups(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for argument in [*function.args.args, *function.args.kwonlyargs]:
        if argument.annotation and "TaskGroup" in ast.unparse(argument.annotation):
            yield argument.arg
    for node in ast.walk(function):
        if isinstance(node, ast.AsyncWith):
            for item in node.items:
                opened = ast.unparse(item.context_expr)
                if item.optional_vars and opened.endswith(("TaskGroup()", "create_task_group()")):
                    yield ast.unparse(item.optional_vars)


def _starts_task(node: ast.AST) -> bool:
    name = node.func if isinstance(node, ast.Call) else None
    word = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
    return word in {"create_task", "ensure_future"}


def _receiver(node: ast.AST) -> str:
    assert isinstance(node, ast.Call)
    return ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""


def test_every_room_has_its_rule() -> None:
    rooms = {room_of(path) for path in modules()} | {"_proto"}
    assert set() == rooms - MAY_IMPORT.keys()


def test_the_page_of_the_architecture_names_every_room() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text()
    rooms = MAY_IMPORT.keys() - {"", "__main__"}
    assert set() == {room for room in rooms if f"`{room}`" not in page}


@pytest.mark.parametrize("path", modules())
def test_rooms_import_only_what_their_place_allows(path: str) -> None:
    room = room_of(path)
    assert set() == rooms_imported(path, modules()[path]) - MAY_IMPORT[room] - LEAVES - {room}


@pytest.mark.parametrize("path", modules())
def test_libraries_stay_in_their_places(path: str) -> None:
    misplaced = {
        library
        for library in libraries_imported(path, modules()[path]) & FOREIGN_PLACES.keys()
        if not path.startswith(tuple(f"{place}/" for place in FOREIGN_PLACES[library]))
    }
    assert set() == misplaced


@pytest.mark.parametrize("path", modules())
def test_grpc_is_spoken_where_its_library_may_be_only(path: str) -> None:
    speaks = "grpc" in rooms_imported(path, modules()[path])
    assert not speaks or path.startswith(tuple(f"{place}/" for place in GRPC_PLACES))


@pytest.mark.parametrize("path", [path for path in modules() if path.startswith(tuple(f"{r}/" for r in PURE_ROOMS))])
def test_pure_rooms_import_nothing_that_waits(path: str) -> None:
    assert set() == libraries_imported(path, modules()[path]) & IMPURE_LIBRARIES


@pytest.mark.parametrize("path", sorted(PURE_PLACES))
def test_modules_that_decide_import_nothing_that_waits(path: str) -> None:
    assert set() == libraries_imported(path, modules()[path]) & IMPURE_LIBRARIES


def test_decisions_never_wait() -> None:
    """The core and the protocol machines are synchronous: no await, no async loop, no async context."""
    pure = {
        path: tree
        for path, tree in modules().items()
        if path.startswith(tuple(f"{room}/" for room in PURE_ROOMS))
        or Path(path).name in PURE_MODULES
        or path in PURE_PLACES
    }
    waiting = {
        f"{path}:{node.lineno}"
        for path, tree in pure.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith)
    }
    assert set() == waiting
    assert {"model/instance.py", "wire/resource.py", "xds/protocol.py", "xds/delta.py"} <= pure.keys()


def test_tasks_have_parents() -> None:
    stray = {f"{path}:{name}" for path, tree in modules().items() for name in stray_tasks(tree)}
    assert STRAY_TASKS.keys() == stray


def test_no_key_has_openssl_ask_the_terminal_for_its_password() -> None:
    """It does so, and waits, wherever an encrypted key is loaded without one."""
    loads = {
        f"{path}:{node.lineno}": {keyword.arg for keyword in node.keywords}
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".load_cert_chain")
    }
    assert [] == [place for place, keywords in loads.items() if "password" not in keywords]
    assert len(loads) >= 6


def test_the_environment_is_read_for_the_settings_only() -> None:
    readers = {
        room_of(path)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers <= {"settings", "cli", "cli_admin", "cli_diff"}


def test_modules_are_short_enough() -> None:
    lines = {path: len((ROOT / path).read_text().splitlines()) for path in modules()}
    assert {} == {path: count for path, count in lines.items() if count > MODULE_LINES}


def test_functions_are_short_enough() -> None:
    lengths = {
        f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {} == {name: length for name, length in lengths.items() if length > FUNCTION_LINES}


def test_names_say_what_a_module_is() -> None:
    vague = {path for path in modules() if VAGUE_NAMES & {*Path(path).parent.parts, Path(path).stem}}
    assert set() == vague


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from meshregistry.store.store import SnapshotStore", {"store"}),
        ("import meshregistry.xds.server", {"xds"}),
        ("from meshregistry import app", {"app"}),
        ("from meshregistry import __version__", {""}),
        ("from ..model import instance", {"model"}),
        ("from .views import Views", {"http"}),
        ("def late():\n    from meshregistry.settings.load import load_settings", {"settings"}),
        ("import json", set()),
    ],
)
def test_every_form_of_import_is_seen(source: str, expected: set[str]) -> None:
    assert expected == rooms_imported("http/example.py", ast.parse(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("async def go():\n    asyncio.create_task(work())", ["go"]),
        ("async def go(self):\n    self.loop.create_task(work())", ["go"]),
        ("async def go():\n    ensure_future(work())", ["go"]),
        ("async def go():\n    async with asyncio.TaskGroup() as tasks:\n        tasks.create_task(work())", []),
        ("def go(tasks: asyncio.TaskGroup):\n    tasks.create_task(work())", []),
    ],
)
def test_a_task_outside_a_group_is_seen(source: str, expected: list[str]) -> None:
    assert expected == list(stray_tasks(ast.parse(source)))
