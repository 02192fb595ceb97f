"""The secrets that settings hold, for whoever has to keep them out of a text."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from meshregistry.settings.fields import Section


def list_secrets(value: object) -> Iterator[str]:
    """Yield every secret in settings or a part of them, and the passwords that stand in addresses, as sent."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str):
        yield from _passwords_in(value)
    elif isinstance(value, Section):
        for name in type(value).model_fields:
            yield from list_secrets(getattr(value, name))
    elif isinstance(value, Mapping | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from list_secrets(item)


def _passwords_in(text: str) -> Iterator[str]:
    if "://" not in text:
        return
    try:
        userinfo = urlsplit(text).netloc.rpartition("@")[0]
    except ValueError:
        return
    password = userinfo.partition(":")[2]
    yield from (password, unquote(password))
