"""Node names as Dubbo writes them: URLs, form-encoded once."""

from urllib.parse import quote_plus


def encode(url: str) -> str:
    """Return a URL as a node name (Java's URLEncoder leaves `*` as it is)."""
    return quote_plus(url, safe="*")


def provider(address: str = "10.0.0.1:20880", interface: str = "com.acme.Orders", **params: str) -> str:
    """Return the node name of a `dubbo` provider; a dash stands for the dot in parameter names."""
    query = "&".join(f"{name.replace('__', '.')}={value}" for name, value in {"interface": interface, **params}.items())
    return encode(f"dubbo://{address}/{interface}?{query}")
