"""What the files say together: the last good content of each, faults and repetitions beside. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from meshregistry.model.rejects import Reject, print_subject
from meshregistry.model.service_entry import ServiceEntry
from meshregistry.model.sidecar import Sidecar
from meshregistry.sources.files.documents import Documents, Reading, read_documents
from meshregistry.sources.files.fields import FileFaultError
from meshregistry.sources.files.folder import FoundFile


class Contents(msgspec.Struct, frozen=True):
    """The resources of all files by resource name, and what was refused."""

    entries: Mapping[str, ServiceEntry]
    sidecars: Mapping[str, Sidecar]
    rejects: tuple[Reject, ...]

    is_complete: bool = True
    """Whether every file was understood at least once since the start: what another one held is unknown."""


class _KnownFile(msgspec.Struct, frozen=True):
    digest: str
    documents: Documents
    fault: str
    is_known: bool = True
    """Whether the documents are those of the file, now or once."""


class Catalogue:
    """Owner of what is known of each file; a file that turns bad keeps its last good content."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._files: dict[str, _KnownFile] = {}

    @property
    def files(self) -> int:
        """How many files there are."""
        return len(self._files)

    @property
    def faults(self) -> dict[str, str]:
        """File → why its present content is refused."""
        return {name: file.fault for name, file in self._files.items() if file.fault}

    def take(self, found: Iterable[FoundFile]) -> Contents:
        """Replace what is known by the files as they are now; what is not among them is gone."""
        self._files = {file.name: self._know(file) for file in found}
        return self._unite()

    def _know(self, file: FoundFile) -> _KnownFile:
        known = self._files.get(file.name, _KnownFile("", Documents(), "", is_known=False))
        if file.fault:
            return msgspec.structs.replace(known, digest="", fault=file.fault)
        if file.digest == known.digest:
            return known
        try:
            return _KnownFile(file.digest, read_documents(file.text, self._reading), "")
        except FileFaultError as error:
            return msgspec.structs.replace(known, digest=file.digest, fault=print_subject(str(error)))

    def _unite(self) -> Contents:
        entries: dict[str, ServiceEntry] = {}
        sidecars: dict[str, Sidecar] = {}
        owners: dict[tuple[str, str], str] = {}
        rejects = [_reject(name, "file_invalid", name, fault) for name, fault in self.faults.items()]
        for name, file in self._files.items():
            kinds = sorted(file.documents.other_kinds)
            rejects += [_reject(name, "file_kind", kind or "no kind", "not served; left out") for kind in kinds]
            for entry in file.documents.entries:
                owner = owners.setdefault(("ServiceEntry", entry.resource_name), name)
                entries.setdefault(entry.resource_name, entry)
                rejects += _report_repetition(name, owner, entry.resource_name)
            for sidecar in file.documents.sidecars:
                owner = owners.setdefault(("Sidecar", sidecar.resource_name), name)
                sidecars.setdefault(sidecar.resource_name, sidecar)
                rejects += _report_repetition(name, owner, sidecar.resource_name)
        is_complete = all(file.is_known for file in self._files.values())
        return Contents(entries, sidecars, tuple(sorted(rejects)), is_complete)


def _report_repetition(name: str, owner: str, resource: str) -> list[Reject]:
    if name == owner:
        return []
    return [_reject(name, "file_repeats", resource, f"{print_subject(owner)} has it already; left out")]


def _reject(file: str, reason: str, subject: str, detail: str) -> Reject:
    return Reject(f"file {print_subject(file)}", reason, print_subject(subject), print_subject(detail))
