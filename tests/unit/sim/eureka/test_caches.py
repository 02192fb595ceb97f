"""The caches in front of a simulated registry: how late a change is seen."""

import zlib

from meshregistry.sim.eureka.caches import CacheOptions, Key, ResponseCache

APPS = Key("apps")


class Source:
    """What is written, and how often."""

    def __init__(self) -> None:
        self.state = 0
        self.calls = 0

    def write(self, key: Key) -> bytes | None:
        self.calls += 1
        return None if key.kind == "app" else str(self.state).encode()


def seen(cache: ResponseCache, now: float) -> str:
    """What a reader gets at a time."""
    cache.settle(now)
    written = cache.get(APPS, now)
    assert written is not None
    assert written.body == zlib.decompress(written.gzipped(), 31)
    return written.body.decode()


def change(cache: ResponseCache, source: Source, now: float) -> None:
    """Something happens at a time."""
    cache.settle(now)
    source.state += 1
    cache.invalidate()


def test_a_change_is_seen_when_the_next_copy_is_taken() -> None:
    source = Source()
    cache = ResponseCache(source.write, CacheOptions(), 0.0)
    first = seen(cache, 1)
    change(cache, source, 2)

    assert ["0", "0", "0", "1", "1"] == [first, *(seen(cache, now) for now in (3, 29, 30, 59))]


def test_the_copy_is_what_was_there_when_it_was_due() -> None:
    source = Source()
    cache = ResponseCache(source.write, CacheOptions(), 0.0)
    seen(cache, 1)
    change(cache, source, 2)
    change(cache, source, 31)

    assert ["1", "1", "2"] == [seen(cache, now) for now in (32, 59, 60)]


def test_without_the_copy_a_change_is_seen_at_once_and_nothing_is_written_twice() -> None:
    source = Source()
    cache = ResponseCache(source.write, CacheOptions(use_copy=False), 0.0)
    first = seen(cache, 1), seen(cache, 2)
    change(cache, source, 3)

    assert ("0", "0") == first
    assert ("1", "1") == (seen(cache, 4), seen(cache, 5))
    assert 2 == source.calls


def test_what_was_written_is_written_anew_after_three_minutes() -> None:
    source = Source()
    cache = ResponseCache(source.write, CacheOptions(use_copy=False), 0.0)
    seen(cache, 0)
    source.state = 1  # without a word to the cache, as the end of a change's time in the queue is
    assert ("0", "1") == (seen(cache, 179), seen(cache, 180))


def test_what_does_not_exist_is_remembered_too() -> None:
    source = Source()
    cache = ResponseCache(source.write, CacheOptions(use_copy=False), 0.0)
    assert (None, None) == (cache.get(Key("app", "none"), 0), cache.get(Key("app", "none"), 1))
    assert 1 == source.calls
