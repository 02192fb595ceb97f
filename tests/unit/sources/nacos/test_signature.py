"""The signature of access keys, compared with what openssl makes of the same text."""

from meshregistry.sources.nacos.signature import AccessKey

KEY = AccessKey("my-ak", "my-sk")


def test_a_request_about_a_service_signs_time_and_grouped_name() -> None:
    assert {
        "ak": "my-ak",
        "data": "1725260000123@@DEFAULT_GROUP@@orders",
        "signature": "DxOE1oPpLVvVmJTtkXPoyOU0SlY=",
    } == KEY.sign(1725260000.1235, "DEFAULT_GROUP", "orders")


def test_a_request_about_none_signs_the_time() -> None:
    assert "1000" == KEY.sign(1.0)["data"]


def test_a_temporary_key_says_so() -> None:
    assert "token" == AccessKey("ak", "sk", "token").sign(1.0)["Spas-SecurityToken"]


def test_a_key_is_never_printed() -> None:
    assert "my-sk" not in f"{KEY!r}{KEY}"
