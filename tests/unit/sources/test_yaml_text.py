"""YAML that others wrote: values or one error."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("number", ["1:" * 500_000 + "1", "-1:" + "1:" * 500_000 + "1.5"])
@pytest.mark.parametrize("tag", ["", "!!int ", "!!float "])
def test_a_long_number_of_base_60_is_a_text_and_not_computed(number: str, tag: str) -> None:
    """It would take minutes: the time grows with the square of it."""
    assert [{"a": number, "b": 1}] == load_documents(f"a: {tag}{number}\nb: 1")


def test_numbers_are_numbers() -> None:
    assert [[1, 1.5, 3723, 255, -7]] == load_documents("[1, 1.5, '1:2:3', 0xff, -7]".replace("'", ""))


LINES = st.sampled_from(
    [*"?{}[]x", "&a ", "*a ", "- ", "<<: ", "!!bool ", "!!set ", "!!omap ", "!!binary ", "1:2", "\n", ": "]
)


@given(st.text(max_size=60) | st.lists(LINES, max_size=20).map("".join) | st.binary(max_size=60), st.booleans())
def test_any_text_is_values_or_the_one_error(text: str | bytes, with_aliases: bool) -> None:
    with suppress(BadYaml):
        assert isinstance(load_documents(text, with_aliases=with_aliases), list)
