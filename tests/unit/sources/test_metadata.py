"""Metadata from JSON to pairs."""

import pytest
from hypothesis import given

from meshregistry.sources.metadata import MetadataPool, decode_texts
from tests.support.garbage import bodies, spoilt


def test_pairs_are_sorted_texts_without_nulls_and_unwanted_keys() -> None:
    pool = MetadataPool(without=("@class",))

    assert (("a", "1"), ("b", "x"), ("c", "[1]")) == pool.read(
        b'{"b":"x","a":1,"c":[1],"d":null,"@class":"java.util.Map"}'
    )
    assert () == pool.read(b"null")


def test_equal_metadata_is_one_object() -> None:
    pool = MetadataPool()
    first, second = pool.read(b'{"a":"b"}'), pool.read(b' {"a": "b"}')

    assert first is pool.read(b'{"a":"b"}')
    assert first[0] is second[0]


def test_a_full_pool_starts_over() -> None:
    pool = MetadataPool()
    for number in range(9000):
        assert (("n", str(number)),) == pool.read(b'{"n":%d}' % number)

    assert len(pool._pairs) <= 8192


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"{", b'{"a":"\\ud800"}'])
def test_what_is_no_object_of_texts_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not an object of texts"):
        decode_texts(raw)


@given(bodies("a", "@class") | spoilt(b'{"a":"x","b":1,"c":[1],"d":null}'))
def test_whatever_stands_for_metadata_is_pairs_of_texts_or_an_error(raw: bytes) -> None:
    pool = MetadataPool(without=("@class",))
    try:
        pairs = pool.read(raw)
    except ValueError:
        return
    assert pairs == tuple(sorted(pairs)) == pool.read(raw)
    assert all(isinstance(key, str) and isinstance(value, str) and key != "@class" for key, value in pairs)
