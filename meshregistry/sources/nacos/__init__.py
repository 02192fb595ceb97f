"""The Nacos source: services and instances of Nacos 1.x to 3.x, read over HTTP."""

from meshregistry.sources.nacos.options import NacosOptions, NacosScope, NacosServerOptions
from meshregistry.sources.nacos.source import NacosSource

__all__ = ["NacosOptions", "NacosScope", "NacosServerOptions", "NacosSource"]
