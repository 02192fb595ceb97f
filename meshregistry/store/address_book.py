"""Virtual addresses of what is served: no two hosts with one.

The conversion gives a host the address that follows from its name; two hosts can share it. Owned by the reducer.
"""

from ipaddress import ip_address, ip_network

import msgspec

from meshregistry.model.grammar import is_ip
from meshregistry.model.rejects import Reject, print_subject
from meshregistry.model.service_entry import ServiceEntry
from meshregistry.model.virtual_address import VirtualAddresses, derive_address


class AddressBook:
    """The hosts of served entries with an address, and the resources to build again when one moves."""

    def __init__(self, network: str) -> None:
        self._addresses = VirtualAddresses(network)
        self._range = network
        self._network = ip_network(network) if network else None
        self._hosts: dict[str, str] = {}
        self._resources: dict[str, set[str]] = {}
        self._touched: set[str] = set()

    def settle(self, name: str, entry: ServiceEntry | None) -> ServiceEntry | None:
        """Return what is served of a resource with the address that its host has now."""
        host = entry.hosts[0] if entry is not None and self._is_virtual(entry) else ""
        before = self._hosts.get(name, "")
        if host != before:
            self._withdraw(name, before)
            self._enter(name, host)
        if entry is None or not host:
            return entry
        address = self._addresses.find(host)
        if entry.addresses == (address,):
            return entry
        return msgspec.structs.replace(entry, addresses=(address,) if address else ())

    def judge(self, name: str, entry: ServiceEntry | None) -> tuple[Reject, ...]:
        """Return the report on a resource whose entry was assembled with an address that it does not have."""
        host = self._hosts.get(name, "")
        address = self._addresses.find(host)
        if entry is None or not host or not entry.addresses or entry.addresses == (address,):
            return ()
        detail = f"{entry.addresses[0]} belongs to a host before it; {address or 'no address'} instead"
        return (Reject(print_subject(name), "address_collision", print_subject(host), detail),)

    def take_touched(self) -> set[str]:
        """Return the resources whose address has changed since the last call, for building them again."""
        touched, self._touched = self._touched, set()
        return touched

    def _is_virtual(self, entry: ServiceEntry) -> bool:
        """Whether it has an address that the conversion gave; those that people write stay as they are."""
        addresses = entry.addresses
        if self._network is None or len(addresses) != 1:
            return False
        if addresses[0] == derive_address(entry.hosts[0], self._range):
            return True  # nearly all of them
        return is_ip(addresses[0]) and ip_address(addresses[0]) in self._network

    def _enter(self, name: str, host: str) -> None:
        if host:
            self._hosts[name] = host
            self._resources.setdefault(host, set()).add(name)
            self._touch(self._addresses.claim(host) - {host})

    def _withdraw(self, name: str, host: str) -> None:
        if not host:
            return
        del self._hosts[name]
        self._resources[host].discard(name)
        if not self._resources[host]:
            del self._resources[host]
            self._touch(self._addresses.release(host))

    def _touch(self, hosts: set[str]) -> None:
        for host in hosts:
            self._touched |= self._resources.get(host, set())
