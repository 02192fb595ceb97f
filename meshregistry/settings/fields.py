"""What every settings section is made of: the base model, the field constructor and the field types.

A field is declared once, with `setting`: its default, its help line, its unit, its name in Slime's schema and, where
they differ, its default in the `slime` profile and the default Slime itself has.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, SecretStr
from pydantic.fields import FieldInfo

from meshregistry.settings.durations import parse_duration

Secret = SecretStr
"""Text that is never printed; in a file it may be a reference, `${NAME}` or `file:PATH`."""

_USERINFO = re.compile(r"(?<=://)\S*@")
_QUERY = re.compile(r"(://[^\s?]*\?)\S+")


def mask_credentials(text: str) -> str:
    """Return text with the user part and the query of any URL in it replaced by `***`."""
    return _QUERY.sub(r"\1***", _USERINFO.sub("***@", text))


class Section(BaseModel):
    """A group of settings. Unknown keys never arrive here: the decoder reports them with their lines."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    ignored: ClassVar[Mapping[str, str]] = {}
    """Keys of Slime's schema that neither Slime nor we act on: name → why."""

    idle: ClassVar[Mapping[str, str]] = {}
    """Fields that are accepted and can have no effect in this section: name → why."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the fields for repr and str, credentials in URLs masked."""
        for name, value in super().__repr_args__():
            yield name, _masked(value)


def _masked(value: object) -> object:
    if isinstance(value, str):
        return mask_credentials(value)
    if isinstance(value, tuple):
        return tuple(_masked(item) for item in value)
    return value


@dataclass(frozen=True, slots=True)
class Spec:
    """What `setting` recorded beside the default: see its parameters."""

    help: str
    slime: str | None
    unit: str | None
    slime_profile: JsonValue
    slime_default: JsonValue
    slime_note: str | None
    slime_sources: tuple[str, ...] | None


def setting(
    default: object,
    help: str,
    *,
    slime: str | None = None,
    unit: str | None = None,
    slime_profile: JsonValue = None,
    slime_default: JsonValue = None,
    slime_note: str | None = None,
    slime_sources: tuple[str, ...] | None = None,
) -> Any:  # a field specifier: the declared type of the field is what counts
    """Declare one field.

    `slime` is the key in Slime's schema (None: ours), `slime_profile` the default in the `slime` profile and
    `slime_default` Slime's own default where they differ from `default`. `slime_note` says what is different from
    Slime, and why; it is needed where the default is. `slime_sources` are the kinds of sources in which Slime acts on
    a common key; None is all registries.
    """
    extra: dict[str, JsonValue] = {
        "slime_note": slime_note,
        "slime_sources": None if slime_sources is None else list(slime_sources),
        "slime": slime,
        "unit": unit,
        "slime_profile": slime_profile,
        "slime_default": slime_default,
    }
    return Field(default, description=help, json_schema_extra=extra)


def spec_of(field: FieldInfo) -> Spec:
    """Return what `setting` recorded for a field."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or field.description is None:
        raise TypeError("a settings field is declared with setting()")
    return Spec(
        field.description,
        _text_or_none(extra["slime"]),
        _text_or_none(extra["unit"]),
        extra["slime_profile"],
        extra["slime_default"],
        _text_or_none(extra["slime_note"]),
        _texts_or_none(extra["slime_sources"]),
    )


def _texts_or_none(value: JsonValue) -> tuple[str, ...] | None:
    return tuple(map(str, value)) if isinstance(value, list) else None


def _text_or_none(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Kind:
    """Names a field type in the reference and tells the renderer how to print it."""

    name: str


DURATION = Kind("duration")


class ListenAddress(NamedTuple):
    """Where to listen: an empty host means every interface, port 0 any free port."""

    host: str
    port: int


def parse_listen(text: str) -> ListenAddress:
    """Return host and port of `host:port`, `:port` or `[v6]:port`; raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("expected host:port or :port with a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif ":" in host or "/" in host:
        raise ValueError("expected host:port or :port; an IPv6 host stands in brackets")
    elif not _can_be_looked_up(host):
        raise ValueError("the host is no name that can be looked up")
    return ListenAddress(host, int(port))


def _can_be_looked_up(host: str) -> bool:
    """Return whether resolvers take a name: parts between dots have 1 to 63 characters, in their encoded form."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _check_optional_listen(text: str) -> str:
    if text:
        parse_listen(text)
    return text


def _check_ads_url(text: str) -> str:
    if text.startswith("http:"):
        raise ValueError("Slime's long-poll protocol is not served; use xds://HOST:PORT")
    if not text.startswith("xds://"):
        raise ValueError("expected xds://HOST:PORT")
    parse_listen(text.removeprefix("xds://").removesuffix("/"))
    return text


def _check_host_port(text: str) -> str:
    if "://" in text:
        raise ValueError("expected host:port without a scheme")
    address = parse_listen(text)
    if not address.host or not address.port:
        raise ValueError("expected host:port")
    return text


def _check_url(text: str) -> str:
    example = text if re.fullmatch(r"[\w.-]+:[0-9]+", text, re.ASCII) else "HOST:PORT"  # other texts may hold a secret
    if not re.match(r"https?://", text, re.IGNORECASE):
        raise ValueError(f"expected a URL with its scheme, such as http://{example}")
    try:
        parts = urlsplit(text)
        bad = not parts.hostname or parts.port == 0 or not _can_be_looked_up(parts.hostname)
    except ValueError:
        bad = True
    if bad or re.search(r"\s", text):
        raise ValueError("the URL has no usable host and port")
    if "?" in text or "#" in text:
        raise ValueError("a base URL has neither query nor fragment")
    return text.rstrip("/")


def _check_cidr(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


def _check_ip(text: str) -> str:
    ipaddress.ip_address(text)
    return text


def _check_ipv4_range(text: str) -> str:
    if text and ipaddress.ip_network(text).version != 4:
        raise ValueError("expected an IPv4 range such as 241.0.0.0/8")
    return text


def _parse_optional_duration(value: object) -> float | None:
    return None if value in (None, "", "none") else parse_duration(value)


def _parse_instant(value: object) -> datetime:
    if isinstance(value, datetime):
        instant = value
    else:
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            raise ValueError("expected an instant such as 2100-01-01T00:00:00Z") from None
    if instant.tzinfo is None:
        raise ValueError("an instant needs its zone, such as 2100-01-01T00:00:00Z")
    return instant.astimezone(UTC)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


LOWERED = BeforeValidator(_lower)
UPPERED = BeforeValidator(_upper)

Duration = Annotated[float, BeforeValidator(parse_duration), DURATION]
"""Seconds."""

PositiveDuration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0), DURATION]
"""Seconds, more than 0."""

OptionalDuration = Annotated[float | None, BeforeValidator(_parse_optional_duration), DURATION]
"""Seconds, or None (`none` in a file)."""

Instant = Annotated[datetime, BeforeValidator(_parse_instant), Kind("instant")]
Count = Annotated[int, Field(ge=1)]
PositiveNumber = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535), Kind("port")]
Ratio = Annotated[float, Field(ge=0, le=1)]
Url = Annotated[str, AfterValidator(_check_url), Kind("URL")]
HostPort = Annotated[str, AfterValidator(_check_host_port), Kind("host:port")]
OptionalListen = Annotated[str, AfterValidator(_check_optional_listen), Kind("[host]:port")]
AdsUrl = Annotated[str, AfterValidator(_check_ads_url), Kind("xds://host:port")]
Cidr = Annotated[str, AfterValidator(_check_cidr), Kind("CIDR")]
Ip = Annotated[str, AfterValidator(_check_ip), Kind("IP")]
OptionalIpv4Range = Annotated[str, AfterValidator(_check_ipv4_range), Kind("CIDR")]
