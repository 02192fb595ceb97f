"""YAML that others wrote: values or one error."""

import pytest

from meshregistry.sources.yaml_text import BadYaml, load_documents


def test_every_document_is_read_with_its_aliases() -> None:
    assert [{"a": [1], "b": [1]}, None, "x"] == load_documents("{a: &a [1], b: *a}\n---\n---\nx")


@pytest.mark.parametrize("text", ["[" * 1_000_000, "{a: " * 101 + "}" * 101, "- " * 5000])
def test_deep_nesting_is_an_error_and_not_the_end_of_the_process(text: str) -> None:
    with pytest.raises(BadYaml, match="line 1: nested too deeply"):
        load_documents(text)


@pytest.mark.parametrize("text", ["!!bool x", "!!int ''", "!!float x", "!!timestamp x", "9" * 5000, "2001-99-99"])
def test_a_text_that_does_not_fit_its_tag_is_an_error(text: str) -> None:
    with pytest.raises(BadYaml, match="not valid YAML: "):
        load_documents(text)


def test_aliases_are_refused_where_nobody_needs_them() -> None:
    with pytest.raises(BadYaml, match="line 2: aliases are not read"):
        load_documents("a: &a [1]\nb: *a", with_aliases=False)
