"""Equal values become one object, within a bound."""

from meshregistry.sources.interning import Interner


def test_equal_values_become_the_same_object() -> None:
    interner = Interner[tuple[str, str]](10)
    first, second = ("zone", "".join(["a", "b"])), ("zone", "".join(["a", "b"]))
    assert first is not second

    assert first is interner.share(first)
    assert first is interner.share(second)
    assert 1 == len(interner)


def test_the_pool_never_exceeds_its_limit() -> None:
    interner = Interner[int](3)

    sizes = []
    for number in range(10):
        assert number == interner.share(number)
        sizes.append(len(interner))

    assert 3 == max(sizes)
