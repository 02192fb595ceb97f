"""Layers are a dictionary to whoever reads them, and never change."""

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.store.layers import Layers

KEYS = st.integers(0, 60).map(str)
STEPS = st.lists(st.tuples(st.dictionaries(KEYS, st.integers(1), max_size=12), st.sets(KEYS, max_size=12)), max_size=30)


@given(STEPS)
def test_layers_equal_a_dictionary_after_any_steps(steps: list[tuple[dict[str, int], set[str]]]) -> None:
    """Every version, also when later ones exist."""
    expected: list[dict[str, int]] = [{}]
    versions = [Layers[int]()]
    for changed, removed in steps:
        gone = (removed & expected[-1].keys()) - changed.keys()
        expected.append({key: value for key, value in {**expected[-1], **changed}.items() if key not in gone})
        versions.append(versions[-1].updated(changed, gone))
    for plain, layers in zip(expected, versions, strict=True):
        assert plain == layers
        assert (len(plain), sorted(plain)) == (len(layers), sorted(layers))
        assert {str(key): plain.get(str(key)) for key in range(61)} == {
            str(key): layers.get(str(key)) for key in range(61)
        }
        assert plain.keys() == {str(key) for key in range(61) if str(key) in layers}


def test_a_small_change_shares_the_large_table() -> None:
    """And many of them make a new one now and then."""
    layers = Layers(dict.fromkeys(map(str, range(10_000)), 0))
    tables = {id(layers._table)}
    for number in range(1000):
        layers = layers.updated({str(number): 1}, ())
        tables.add(id(layers._table))
        assert len(layers._over) <= 200
    assert 1000 // 200 >= len(tables) - 1 > 0
    assert 1000 == sum(layers.values())
