"""From settings to the options of the files source: pure."""

from meshregistry.model.policy import Profile
from meshregistry.settings.root import Settings
from meshregistry.sources.files.documents import Reading
from meshregistry.sources.files.options import FilesOptions


def reads_files(settings: Settings) -> bool:
    """Whether files are read; Slime wants all three said (pkg/source/k8s/source.go)."""
    source = settings.k8s_source
    return source.enabled and source.enable_config_file and bool(source.config_path)


def files_options(settings: Settings) -> FilesOptions:
    """Return the options of the files source."""
    source = settings.k8s_source
    return FilesOptions(
        path=source.config_path,
        reading=Reading(
            source.resource_ns or "default",
            Profile(settings.profile),
            frozenset((*settings.excluded_resource_kinds, *source.excluded_resource_kinds)),
        ),
        is_watched=source.watch_config_files,
        check_interval_s=source.check_interval,
        max_file_bytes=source.max_file_bytes,
    )
