"""The chroot is put before paths and taken from events, at a boundary."""

import pytest

from meshregistry.sources.zookeeper.session.paths import Chroot


@pytest.mark.parametrize(
    ("prefix", "ours", "theirs"),
    [
        ("", "/a", "/a"),
        ("/", "/a", "/a"),
        ("", "/", "/"),
        ("/foo", "/", "/foo"),
        ("/foo/", "/a/b", "/foo/a/b"),
        ("/foo/bar", "/a", "/foo/bar/a"),
    ],
)
def test_a_path_goes_in_and_comes_out(prefix: str, ours: str, theirs: str) -> None:
    chroot = Chroot(prefix)
    assert (theirs, ours) == (chroot.enter(ours), chroot.leave(theirs))


@pytest.mark.parametrize("outside", ["/foobar", "/foobar/a", "/", "/bar"])
def test_a_path_outside_is_none(outside: str) -> None:
    assert Chroot("/foo").leave(outside) is None


def test_a_relative_chroot_is_an_error() -> None:
    with pytest.raises(ValueError, match="foo"):
        Chroot("foo")
