"""From settings to the options of the admin socket: pure."""

from pathlib import Path

from meshregistry.admin.options import AdminOptions
from meshregistry.settings.root import Settings

_SOCKET = "admin.sock"


def admin_options(settings: Settings) -> AdminOptions:
    """Return where the socket is; nowhere when it is switched off, or has no place of its own and no `data_dir`."""
    section = settings.admin
    path = section.socket or (str(Path(settings.data_dir) / _SOCKET) if settings.data_dir else "")
    return AdminOptions(
        path=path if section.enabled else "",
        request_timeout_s=section.request_timeout,
        max_connections=section.max_connections,
        retry_s=section.retry_interval,
    )
