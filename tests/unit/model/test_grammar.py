import pytest

from meshregistry.model.grammar import is_ip, is_label_key, is_label_value


@pytest.mark.parametrize(
    "text", ["0.0.0.0", "255.255.255.255", "::", "::1", "FD00::1", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8"]
)
def test_addresses(text: str) -> None:
    assert is_ip(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2.3",
        "1.2.3.4.5",
        "256.0.0.1",
        "01.0.0.1",
        "1.2.3.4 ",
        "1.2.3.4\n",
        "١.1.1.1",
        ":",
        "fe80::1%0",
        "::1/128",
        "::01.2.3.4",
    ],
)
def test_no_addresses(text: str) -> None:
    assert not is_ip(text)


@pytest.mark.parametrize(
    "key", ["a", "A.b_c-d", "a.b/c", "9", "p" * 63 + "/k", "k" * 63, ".".join(["p" * 62] * 4) + "/k"]
)
def test_label_keys(key: str) -> None:
    assert is_label_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "a/b/c",
        "-a",
        "a-",
        "a_b/c",
        "a..b/c",
        "k" * 64,
        ".".join(["p" * 63] * 4) + "/k",
        "a\n",
    ],
)
def test_no_label_keys(key: str) -> None:
    assert not is_label_key(key)


@pytest.mark.parametrize("value", ["", "a", "A.b_c-9", "v" * 5000])
def test_label_values(value: str) -> None:
    assert is_label_value(value)


@pytest.mark.parametrize("value", [" ", "a b", "a:b", "a/b", "-a", "a-", ".a", "a_", "é", "a\n", "\ud800"])
def test_no_label_values(value: str) -> None:
    assert not is_label_value(value)
