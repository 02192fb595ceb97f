"""The Eureka source: applications and instances of Netflix's and Spring Cloud's servers, read over HTTP."""

from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions, HoldOptions, Mode, TlsFiles
from meshregistry.sources.eureka.source import EurekaSource

__all__ = ["EurekaOptions", "EurekaServerOptions", "EurekaSource", "HoldOptions", "Mode", "TlsFiles"]
