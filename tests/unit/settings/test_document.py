"""Where the settings are in a text: bare, in each of Slime's wrappers, and when there is no telling."""

import pytest
from yaml.nodes import MappingNode

from meshregistry.errors import SettingsError
from meshregistry.settings.document import Document, entries, read_document


def keys(document: Document) -> list[str]:
    """Return the keys of the settings that were found."""
    assert isinstance(document.root, MappingNode)
    return [entry.key for entry in entries(document.root)]


def fault(text: str) -> str:
    """Return the one fault of a text."""
    with pytest.raises(SettingsError) as caught:
        read_document(text)
    [line] = caught.value.faults
    return line


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "~"])
def test_an_empty_text_has_no_settings(text: str) -> None:
    assert Document(None, wrapped=False) == read_document(text)


def test_bare_keys_are_the_settings() -> None:
    document = read_document("NacosSource: {}\nmcp: {}")
    assert (False, ["NacosSource", "mcp"]) == (document.wrapped, keys(document))


def test_json_escapes_of_rare_characters_are_joined() -> None:
    assert ["\N{GRINNING FACE}"] == keys(read_document('{"\\ud83d\\ude00": {}}'))


def test_json_is_read_with_tabs_between_its_tokens() -> None:
    document = read_document('{\n\t"mcp":\t{},\n\t"log": {}\n}')
    assert ["mcp", "log"] == keys(document)


@pytest.mark.parametrize(
    "text",
    [
        "kind: SlimeBoot\nspec:\n  module:\n  - {name: m, kind: meshregistry, general: {LEGACY: {mcp: {}}}}",
        "kind: SlimeBoot\nspec:\n  module:\n  - {name: meshregistry, general: {LEGACY: {mcp: {}}}}",
        "module:\n- {name: other, kind: limiter}\n- {kind: MeshRegistry, general: {legacy: {mcp: {}}}}",
        "name: x\nkind: meshregistry\ngeneral: {LEGACY: {mcp: {}}}",
        "general: {LEGACY: {mcp: {}}}",
        (
            "apiVersion: v1\nkind: ConfigMap\n---\nkind: SlimeBoot\nspec:\n"
            "  module: [{kind: meshregistry, general: {LEGACY: {mcp: {}}}}]"
        ),
    ],
)
def test_each_wrapper_is_unwrapped(text: str) -> None:
    document = read_document(text)
    assert (True, ["mcp"], ()) == (document.wrapped, keys(document), document.warnings)


@pytest.mark.parametrize(
    "text", ["kind: meshregistry", "general: {}", "general: {LEGACY: null}", "kind: meshregistry\ngeneral: 1"]
)
def test_a_wrapper_may_leave_every_setting_at_its_default(text: str) -> None:
    document = read_document(text)
    assert document.wrapped
    assert document.root is None or not isinstance(document.root, MappingNode)


def test_global_misc_of_the_bundle_wins_over_that_of_the_module() -> None:
    text = """
module:
- name: b
  bundle: {modules: [{kind: meshregistry}]}
  global: {misc: {aux-addr: ":1"}}
- kind: meshregistry
  global: {misc: {aux-addr: ":2", pathRedirect: "a->b"}}
"""
    misc = read_document(text).misc
    assert {"aux-addr": ":1", "pathRedirect": "a->b"} == {key: entry.value.value for key, entry in misc.items()}
    assert "line 5" == misc["aux-addr"].origin.text


def test_a_module_that_is_off_is_read_and_reported() -> None:
    [warning] = read_document("kind: meshregistry\nenable: false\ngeneral: {LEGACY: {}}").warnings
    assert "enable (line 1): the module is off; it is read all the same" == str(warning)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: SlimeBoot", "settings (line 1): expected one module of kind meshregistry, found 0"),
        (
            "module: [{kind: meshregistry}, {kind: meshregistry}]",
            "settings (line 1): expected one module of kind meshregistry, found 2",
        ),
        (
            "enable: true\nbundle: {modules: []}",
            "settings (line 1): this is a bundle's own configuration; the settings are in the one of its module",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap",
            "settings (line 1): expected settings or a SlimeBoot resource, found kind ConfigMap",
        ),
        (
            "a: 1\n---\nb: 1",
            "settings (line 3): several documents; expected one, or exactly one SlimeBoot among them",
        ),
    ],
)
def test_what_cannot_be_settings_is_said_plainly(text: str, expected: str) -> None:
    assert expected == fault(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("mcp: {\n  password: hunter2", "settings (line 2): not valid YAML: "),
        ("a: b: hunter2", "settings (line 1): not valid YAML: "),
        ("a: *hunter", "settings (line 1): not valid YAML: "),
        ("a: hunter2\x00", "settings (line 1): not valid YAML: special characters are not allowed at character 10"),
        ('{"a": "\\ud83d hunter2"}', "settings (line 1): not valid YAML: half of a surrogate pair"),
        ("{\t'a': hunter2", "settings (line 1): not valid YAML: "),
        ("[" * 5000, "settings (line 1): nested too deeply"),
    ],
)
def test_broken_yaml_is_reported_with_its_line_and_without_its_text(text: str, start: str) -> None:
    line = fault(text)
    assert line.startswith(start)
    assert "hunter2" not in line


def test_no_chained_error_prints_the_text_of_the_file() -> None:
    with pytest.raises(SettingsError) as caught:
        read_document("password: [hunter2")
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


def test_merge_keys_are_expanded_and_yield_to_what_stands_beside_them() -> None:
    text = """
base: &base {a: 1, b: 2}
other: &other {b: 3, c: 4}
here:
  <<: [*base, *other]
  a: 5
"""
    root = read_document(text).root
    assert isinstance(root, MappingNode)
    here = [entry.value for entry in entries(root) if entry.key == "here"]
    assert isinstance(here[0], MappingNode)
    assert {"a": "5", "b": "2", "c": "4"} == {entry.key: entry.value.value for entry in entries(here[0])}


def test_a_mapping_merged_into_itself_ends() -> None:
    document = read_document("&me\n<<: *me\nmcp: {}")
    assert ["mcp"] == keys(document)
