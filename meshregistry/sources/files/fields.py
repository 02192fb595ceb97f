"""Reads plain YAML data field by field and keeps every fault with its path."""

from collections.abc import Iterator, Mapping
from typing import NoReturn

from meshregistry.errors import MeshRegistryError
from meshregistry.model.instance import Pairs, sort_pairs


class FileFaultError(MeshRegistryError):
    """A file cannot be used; the message says where and why, without more of its content than names."""


class Fields:
    """One mapping of a document; every field must be asked for, as `finish` refuses the rest."""

    def __init__(self, data: object, path: str) -> None:
        if not isinstance(data, Mapping):
            raise FileFaultError(f"{path}: expected key: value pairs")
        self._data = data
        self._path = path
        self._asked: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        """Return a text field."""
        value = self._take(name)
        if value is None:
            return default
        return value if isinstance(value, str) else self._refuse(name, "expected text")

    def number(self, name: str) -> int:
        """Return a whole number from 0 on, 0 where it is missing."""
        value = self._take(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
            self._refuse(name, "expected a whole number from 0 on")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = tuple(self._items(name))
        if not all(isinstance(value, str) for value in values):
            self._refuse(name, "expected a list of text")
        return tuple(str(value) for value in values)

    def pairs(self, name: str) -> Pairs:
        """Return a map of texts, sorted."""
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for pair in value.items() for text in pair):
            self._refuse(name, "expected a map of text to text; numbers and true or false need quotes")
        return sort_pairs({str(key): str(item) for key, item in value.items()})

    def numbers(self, name: str) -> tuple[tuple[str, int], ...]:
        """Return a map of numbers, sorted."""
        value = self._take(name)
        if value is None:
            return ()
        fields = Fields(value, f"{self._path}.{name}")
        return tuple(sorted((str(key), fields.number(str(key))) for key in fields.names()))

    def section(self, name: str) -> "Fields | None":
        """Return a mapping inside this one."""
        value = self._take(name)
        return None if value is None else Fields(value, f"{self._path}.{name}")

    def sections(self, name: str) -> Iterator["Fields"]:
        """Yield the mappings of a list."""
        for index, item in enumerate(self._items(name)):
            yield Fields(item, f"{self._path}.{name}[{index}]")

    def choice(self, name: str, known: Mapping[str, int]) -> int:
        """Return what stands for one of some words, that of 0 where it is missing."""
        word = self.text(name)
        if word and word not in known:
            self._refuse(name, f"expected {', '.join(known)}")
        return known[word] if word else 0

    def names(self) -> list[str]:
        """Return the names of all fields."""
        return [str(name) for name in self._data]

    def skip(self, *names: str) -> None:
        """Leave fields aside."""
        self._asked.update(names)

    def finish(self) -> None:
        """Refuse fields that nobody asked for: what cannot be served is not left out silently."""
        for name in self.names():
            if name not in self._asked:
                self._refuse(name, "not supported")

    def _items(self, name: str) -> list[object]:
        value = self._take(name)
        if value is None:
            return []
        return value if isinstance(value, list) else self._refuse(name, "expected a list")

    def _take(self, name: str) -> object:
        self._asked.add(name)
        return self._data.get(name)

    def _refuse(self, name: str, message: str) -> NoReturn:
        raise FileFaultError(f"{self._path}.{name}: {message}")
