"""Defaults of Nacos under its own names, and secrets that stay in."""

from meshregistry.sources.nacos.options import NacosOptions, NacosScope, NacosServerOptions


def test_the_empty_namespace_is_public_and_the_empty_group_the_default() -> None:
    assert ("public", "DEFAULT_GROUP") == NacosScope().filled()
    assert ("team-a", "G2") == NacosScope("team-a", "G2").filled()


def test_no_secret_is_in_the_text_of_an_option_record() -> None:
    server = NacosServerOptions(addresses=("http://u:s3cret@nacos",), username="nacos", password="s3cret")

    assert "s3cret" not in repr(NacosOptions(servers=(server,), headers=(("X-Key", "s3cret"),)))
