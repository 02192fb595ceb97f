"""Paths with and without the chroot. Pure."""


class Chroot:
    """A prefix of every path."""

    def __init__(self, prefix: str) -> None:
        """Raises ValueError for a prefix that is neither empty nor absolute."""
        self._prefix = prefix.rstrip("/")
        if self._prefix and not self._prefix.startswith("/"):
            raise ValueError(f"chroot {prefix!r} does not begin with /")

    def enter(self, path: str) -> str:
        """Return the server's path for one of ours."""
        return path if not self._prefix else self._prefix if path == "/" else self._prefix + path

    def leave(self, path: str) -> str | None:
        """Return our path for one of the server's; None if that is outside."""
        if not self._prefix:
            return path
        if path == self._prefix:
            return "/"
        return path.removeprefix(self._prefix) if path.startswith(f"{self._prefix}/") else None
