"""Consumer URLs: which application calls which services of an interface."""

from collections.abc import Iterable, Set
from typing import NamedTuple

from meshregistry.model.dubbo_key import DubboKey, find_param
from meshregistry.model.grammar import is_label_value
from meshregistry.sources.steps import Steps
from meshregistry.sources.zookeeper.dubbo.url import MAX_NAME_CHARS, BadUrl, read_head, split_name, split_params

_STEP = 64
"""Consumers that are read in one step."""

_NO_VERSION = frozenset(("", "0.0.0"))


class Consumer(NamedTuple):
    """One application's reference to an interface; `*` is any group or version, a group may be a comma list."""

    application: str
    group: str = ""
    version: str = ""

    def wants(self, key: DubboKey) -> bool:
        """Whether the reference is to this service of its interface."""
        groups = self.group.split(",")
        if "*" not in groups and key.group not in groups:
            return False
        return self.version in ("*", key.version) or {self.version, key.version} <= _NO_VERSION

    def as_labels(self, *, checks_values: bool = True) -> "Consumer":
        """Return the reference as Slime writes it into labels, but for the lists and wildcards it would drop.

        What is no label is dropped if values are checked: without an application a reference says nothing.
        """

        def write(text: str) -> str:
            escaped = text.replace(",", "_").replace(":", "_")
            return escaped if not checks_values or is_label_value(escaped) else ""

        def keep(text: str) -> str:
            return text if text == "*" else write(text)

        return Consumer(write(self.application), ",".join(map(keep, self.group.split(","))), keep(self.version))


def read_consumers(names: Iterable[str], ignored: Set[str] = frozenset()) -> Steps[frozenset[Consumer]]:
    """Return the references in a `consumers` node; those without an application say nothing and are left out.

    `ignored` are parameters that are not looked at.
    """
    consumers = set()
    for count, name in enumerate(names, 1):
        if count % _STEP == 0:
            yield
        try:
            consumer = _read_consumer(name, ignored)
        except BadUrl:
            continue
        if consumer.application:
            consumers.add(consumer)
    return frozenset(consumers)


def _read_consumer(name: str, ignored: Set[str]) -> Consumer:
    if len(name) > MAX_NAME_CHARS:
        raise BadUrl("size")
    encoded_head, encoded_params = split_name(name)
    if read_head(encoded_head).scheme != "consumer":
        raise BadUrl("scheme")
    params = {key: value for key, value in split_params(encoded_params).items() if key not in ignored}
    return Consumer(*(find_param(params, each) for each in ("application", "group", "version")))
