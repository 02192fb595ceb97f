"""Which proxy a call goes through by the usual environment variables: http_proxy, https_proxy, no_proxy.

aiohttp's own `trust_env` reads ~/.netrc, too, and refuses calls that already have an Authorization header where that
file knows the host.
"""

from urllib.request import getproxies, proxy_bypass

from yarl import URL


def proxy_of(url: URL, name: str) -> str | None:
    """Return the URL of the proxy, None for none. `name` is what the host is called where the URL has its address."""
    proxy = getproxies().get(url.scheme)
    if not proxy:
        return None
    hosts = {host for host in (url.host, name) if host}
    return None if any(proxy_bypass(each) for host in hosts for each in (host, f"{host}:{url.port}")) else proxy
