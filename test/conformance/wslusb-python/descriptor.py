"""Descriptors: what a device says about itself, as it comes with a DeviceAttach (section 5.4, USB 2.0 section 9.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from urb import IN, TransferType

INTERFACE_DESCRIPTOR = 4
ENDPOINT_DESCRIPTOR = 5


@dataclass(frozen=True)
class Endpoint:
    """An endpoint: its address, its transfer type, and the polling interval as its descriptor has it."""

    address: int
    transfer_type: TransferType
    max_packet_size: int
    interval: int

    @property
    def is_in(self) -> bool:
        """Whether it sends to the client."""
        return bool(self.address & IN)


@dataclass(frozen=True)
class Interface:
    """One alternate setting of an interface."""

    number: int
    alternate: int
    interface_class: int
    endpoints: list[Endpoint] = field(default_factory=list)

    def endpoint(self, transfer_type: TransferType, is_in: bool) -> Endpoint | None:
        """Return the first endpoint of a type and direction."""
        for endpoint in self.endpoints:
            if endpoint.transfer_type is transfer_type and endpoint.is_in is is_in:
                return endpoint
        return None


@dataclass(frozen=True)
class Configuration:
    """A configuration and its interfaces, in the order of the descriptors."""

    value: int
    interfaces: list[Interface]

    @classmethod
    def decode(cls, data: bytes) -> Configuration:
        """Read a configuration descriptor with all that belongs to it."""
        interfaces: list[Interface] = []
        for descriptor in split(data):
            if descriptor[1] == INTERFACE_DESCRIPTOR:
                interfaces.append(Interface(descriptor[2], descriptor[3], descriptor[5]))
            elif descriptor[1] == ENDPOINT_DESCRIPTOR:
                size = int.from_bytes(descriptor[4:6], "little")
                kind = TransferType(descriptor[3] & 3)
                interfaces[-1].endpoints.append(Endpoint(descriptor[2], kind, size, descriptor[6]))
        return cls(data[5], interfaces)

    def find(self, transfer_type: TransferType, is_in: bool) -> tuple[Interface, Endpoint]:
        """Return the first interface, or alternate setting, that has such an endpoint, and the endpoint."""
        for interface in self.interfaces:
            endpoint = interface.endpoint(transfer_type, is_in)
            if endpoint is not None:
                return interface, endpoint
        raise LookupError(f"no {transfer_type.name} endpoint")


def split(data: bytes) -> Iterator[bytes]:
    """Yield each descriptor of a row; the first byte of each is its length."""
    offset = 0
    while offset < len(data):
        yield data[offset : offset + data[offset]]
        offset += data[offset]
