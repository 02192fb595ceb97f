"""Logins and tokens of the simulated Nacos; statuses as captured from 2.3.1 and 3.1.0."""

import orjson
import pytest

from meshregistry.sim.nacos.access import Access, Credentials
from meshregistry.sim.nacos.exchange import Call, Refused
from meshregistry.sim.nacos.views import Dialect

V1, V3 = "/nacos/v1/auth/users/login", "/nacos/v3/auth/user/login"
GOOD = {"username": "nacos", "password": "right"}


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_good_in_all_three_places_until_it_expires() -> None:
    clock = Clock()
    access = _access(Dialect.V2, clock)
    token = _login(access)
    calls = [
        _read({"accessToken": token}),
        _read({}, {"accessToken": token}),
        _read({}, {"Authorization": f"Bearer {token}"}),
    ]

    clock.now += 59
    for call in calls:
        access.check(call)
    clock.now += 1
    assert ["token expired!"] * 3 == [_refusal(access, call) for call in calls]


def test_a_login_tells_the_life_time_of_its_token() -> None:
    reply = _access(Dialect.V3).login(Call("POST", V3, GOOD, {}))
    answer = orjson.loads(reply.body)

    assert (60, True, "nacos") == (answer["tokenTtl"], answer["globalAdmin"], answer["username"])
    assert {"Authorization": f"Bearer {answer['accessToken']}"} == reply.headers


@pytest.mark.parametrize(
    ("dialect", "path", "wrong_password", "unknown_user", "no_user"),
    [(Dialect.V2, V1, 403, 500, 400), (Dialect.V3, V1, 500, 500, 400), (Dialect.V3, V3, 500, 403, 500)],
)
def test_refused_logins_have_the_status_of_their_generation(
    dialect: Dialect, path: str, wrong_password: int, unknown_user: int, no_user: int
) -> None:
    forms: tuple[dict[str, str], ...] = ({**GOOD, "password": "wrong"}, {**GOOD, "username": "nobody"}, {})

    statuses = [_access(dialect).login(Call("POST", path, form, {})).status for form in forms]

    assert [wrong_password, unknown_user, no_user] == statuses


def test_calls_without_a_good_token_are_refused_in_the_generations_words() -> None:
    old, new = _access(Dialect.V2), _access(Dialect.V3)

    assert "user not found!" == _refusal(old, _read({}))
    assert "token invalid!" == _refusal(old, _read({"accessToken": "garbage"}))
    assert "Code: 401, Message: token invalid!." == _refusal(new, _read({"accessToken": "garbage"}))
    assert _refusal(new, _read({})).startswith("Code: 401, Message: User not found!")


def test_name_and_password_do_instead_of_a_token() -> None:
    access = _access(Dialect.V2)

    access.check(_read(GOOD))
    assert "user not found!" == _refusal(access, _read({**GOOD, "password": "wrong"}))


def test_revoked_tokens_are_invalid() -> None:
    access = _access(Dialect.V2)
    token = _login(access)

    access.revoke_tokens()

    assert "token invalid!" == _refusal(access, _read({"accessToken": token}))


def test_without_credentials_everything_is_allowed_and_a_login_gives_the_placeholder() -> None:
    access = Access(Dialect.V2, None, Clock())

    access.check(_read({}))
    assert "AUTH_DISABLED" == _login(access)


def _access(dialect: Dialect, clock: Clock | None = None) -> Access:
    return Access(dialect, Credentials(password="right", token_ttl_s=60), clock or Clock())


def _login(access: Access) -> str:
    return str(orjson.loads(access.login(Call("POST", V1, GOOD, {})).body)["accessToken"])


def _read(params: dict[str, str], headers: dict[str, str] | None = None) -> Call:
    return Call("GET", "/nacos/v1/ns/service/list", params, headers or {})


def _refusal(access: Access, call: Call) -> str:
    with pytest.raises(Refused) as refused:
        access.check(call)
    reply = refused.value.reply
    assert 403 == reply.status
    return str(orjson.loads(reply.body)["message"])
