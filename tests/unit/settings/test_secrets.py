"""Every secret of the settings is known to whoever keeps it out of texts."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import SecretStr

from meshregistry.settings.fields import Section
from meshregistry.settings.load import load_settings
from meshregistry.settings.root import Settings
from meshregistry.settings.secrets import list_secrets

TEXT = """
http: {token: t-1}
nacos_source:
  password: t-2
  client_headers: {X-Key: t-3}
  servers: [{password: t-4, secret_key: t-5, security_token: t-6, address: ["http://u:t%2D7@nacos:8848"]}]
eureka_source:
  address: ["http://u:t-8@eureka/eureka", "http://eureka/eureka"]
  servers: [{password: t-9, token: t-10}]
zookeeper_source: {servers: [{username: u, password: t-11}]}
"""


def secret_fields(section: type[Section]) -> Iterator[str]:
    """Yield the names of all fields of a section, and of those in it, that hold secrets."""
    for name, info in section.model_fields.items():
        kinds = [info.annotation]
        while kinds:
            kind: Any = kinds.pop()
            kinds += get_args(kind)
            if kind is SecretStr:
                yield name
            elif isinstance(kind, type) and issubclass(kind, Section):
                yield from secret_fields(kind)


def test_all_are_listed_and_nothing_else() -> None:
    found = {each for each in list_secrets(load_settings(TEXT, {}).settings) if each}

    assert {f"t-{number}" for number in range(1, 12)} | {"t%2D7"} == found


def test_every_kind_of_secret_is_tried_here() -> None:
    assert {"token", "password", "client_headers", "secret_key", "security_token"} == set(secret_fields(Settings))


def test_an_address_that_is_none_has_no_secret() -> None:
    assert {""} == set(list_secrets(("http://[", "host:80", "http://user@host")))
