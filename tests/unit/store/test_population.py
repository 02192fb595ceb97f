"""The count of a unit against its own last minute."""

from meshregistry.store.population import Population


def test_a_unit_is_compared_with_its_highest_count_within_a_minute() -> None:
    population = Population()
    population.move(100, 0.0)
    population.move(-10, 10.0)
    population.move(-20, 40.0)

    assert (100, 30) == (population.peak(70.0), population.lost(70.0))
    assert (90, 20) == (population.peak(70.1), population.lost(70.1))
    assert (70, 0) == (population.peak(100.1), population.lost(100.1))


def test_what_comes_as_something_else_goes_is_no_loss() -> None:
    population = Population(50)
    population.move(-50, 1.0)
    population.move(50, 1.0)

    assert 0 == population.lost(1.0)


def test_a_unit_that_has_grown_is_compared_with_what_it_is() -> None:
    population = Population(10)
    population.move(-5, 1.0)
    population.move(20, 2.0)

    assert (25, 0) == (population.peak(2.0), population.lost(2.0))


def test_what_a_configuration_took_counts_whatever_it_gave() -> None:
    population = Population(50)
    population.displace(40, 1.0)

    assert (0, 40) == (population.lost(61.0), population.displaced(61.0))
    assert (0, 0) == (population.lost(61.1), population.displaced(61.1))
