"""How the names of an interface's providers look alike: most of them need no search for what is in which place. Pure.

Providers of one application write the same parameters in the same order. Their names are fixed text, in between the
address and what is cut out (start time, process), and an end that few of them have for themselves.
"""

from typing import Generic, NamedTuple, TypeVar

from meshregistry.model.bounded import remember

T = TypeVar("T")

_MOST_ENDS = 64
_LONGEST = 4_096
_HOST_END = "%3A"
_SEPARATOR = "%26"


class Located(NamedTuple):
    """What differs from name to name, encoded."""

    host: str
    cut: dict[str, str]
    """The parameters that are cut out."""

    end: str
    """What follows the last of these, and the whole rest where there are none."""


class Layout(Generic[T]):
    """The fixed text of names of one interface, scheme and port. Owner of what the known ends mean; bounded.

    `pieces` are the parameters of a name as `ParamCutter.split` makes them, `rest` is what stands between its host and
    its parameters.
    """

    def __init__(self, scheme: str, port: int, rest: str, pieces: list[str]) -> None:
        self.port = port
        self._start = f"{scheme}%3A%2F%2F"
        self._fixed = _list_fixed(rest, pieces)
        self._ends: dict[str, T] = {}
        self.known: tuple[str, T] | None = None
        """An end, and what it means."""

    def locate(self, name: str) -> Located | None:
        """Return what is where in a name; None for one that is laid out otherwise."""
        if not name.startswith(self._start):
            return None
        start = len(self._start)
        at = name.find(_HOST_END, start)
        if at < 0:
            return None
        host, cut = name[start:at], {}
        for parameter, fixed in self._fixed:
            if not name.startswith(fixed, at):
                return None
            start = at + len(fixed)
            at = name.find(_SEPARATOR, start)
            if at < 0:
                at = len(name)
            cut[parameter] = name[start:at]
        return Located(host, cut, name[at:])

    def find(self, end: str) -> T | None:
        """Return what an end means, None for an unknown one."""
        return self._ends.get(end)

    def learn(self, end: str, meaning: T) -> None:
        """Remember what an end means."""
        if len(end) <= _LONGEST:
            remember(self._ends, end, meaning, _MOST_ENDS)
            self.known = end, meaning


def _list_fixed(rest: str, pieces: list[str]) -> list[tuple[str, str]]:
    """Return each parameter that is cut out with the text in front of its value, from the host or the last one on."""
    fixed = [
        (parameter, f"{stays}{_SEPARATOR}{parameter}%3D")
        for stays, parameter in zip(pieces[:-1:3], pieces[1::3], strict=True)
    ]
    return [(fixed[0][0], rest + fixed[0][1].removeprefix(_SEPARATOR)), *fixed[1:]] if fixed else []
