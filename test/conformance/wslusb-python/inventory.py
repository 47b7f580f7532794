"""Messages that tell what devices a host has: DeviceEnumeration and DeviceEvent (sections 5.2 and 5.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from field import expect_at_least, expect_length, pack_text, unpack_text, unpack_u32
from violation import BadLength

MAX_DEVICES = 1_024
"""Devices of a DeviceEnumeration at most (section 5.2)."""

NUMBERS = struct.Struct("<3H8BH")
"""The fields of DeviceInfo between its texts, offsets 512 to 527 (section 5.2)."""

INFO_LENGTH = 656
"""Bytes of a DeviceInfo without its interfaces (section 5.2)."""

INTERFACE_LENGTH = 4


class Speed(IntEnum):
    """How fast a device is connected (section 5.2)."""

    LOW = 1
    FULL = 2
    HIGH = 3
    SUPER = 4
    SUPER_PLUS = 5


class EnumerationFlags(IntFlag):
    """The flags of a DeviceEnumeration (section 5.2)."""

    NONE = 0
    SUBSCRIBE = 1


class EventKind(IntEnum):
    """What happened to a device (section 5.3)."""

    ADDED = 1
    REMOVED = 2
    CHANGED = 3


@dataclass(frozen=True)
class InterfaceInfo:
    """Class codes of one interface with its alternate setting 0 (section 5.2)."""

    interface_class: int
    subclass: int
    protocol: int

    def encode(self) -> bytes:
        """Return the 4 bytes of the interface."""
        return bytes((self.interface_class, self.subclass, self.protocol, 0))


@dataclass(frozen=True)
class DeviceInfo:
    """One device of a host (section 5.2)."""

    instance_id: str
    description: str
    vid: int
    pid: int
    bcd_device: int
    device_class: int
    subclass: int
    protocol: int
    configuration_count: int
    current_configuration: int
    is_attached: int
    speed: int
    serial: str
    interfaces: tuple[InterfaceInfo, ...]

    def encode(self) -> bytes:
        """Return 656 bytes and 4 for each interface."""
        numbers = NUMBERS.pack(
            self.vid,
            self.pid,
            self.bcd_device,
            self.device_class,
            self.subclass,
            self.protocol,
            self.configuration_count,
            self.current_configuration,
            self.is_attached,
            self.speed,
            len(self.interfaces),
            0,
        )
        texts = pack_text(self.instance_id, 256) + pack_text(self.description, 256)
        interfaces = b"".join(interface.encode() for interface in self.interfaces)
        return texts + numbers + pack_text(self.serial, 128) + interfaces

    @classmethod
    def decode_from(cls, payload: bytes, offset: int) -> tuple[DeviceInfo, int]:
        """Read the DeviceInfo that begins at an offset; return it and the offset behind it."""
        expect_at_least("message with DeviceInfo", payload, offset + INFO_LENGTH)
        (
            vid,
            pid,
            bcd_device,
            device_class,
            subclass,
            protocol,
            configuration_count,
            current_configuration,
            is_attached,
            speed,
            interface_count,
            _,
        ) = NUMBERS.unpack_from(payload, offset + 512)
        end = offset + INFO_LENGTH + INTERFACE_LENGTH * interface_count
        expect_at_least("message with InterfaceInfo", payload, end)
        codes = payload[offset + INFO_LENGTH : end]
        info = cls(
            instance_id=unpack_text(payload[offset : offset + 256]),
            description=unpack_text(payload[offset + 256 : offset + 512]),
            vid=vid,
            pid=pid,
            bcd_device=bcd_device,
            device_class=device_class,
            subclass=subclass,
            protocol=protocol,
            configuration_count=configuration_count,
            current_configuration=current_configuration,
            is_attached=is_attached,
            speed=speed,
            serial=unpack_text(payload[offset + 528 : offset + INFO_LENGTH]),
            interfaces=tuple(InterfaceInfo(*codes[at : at + 3]) for at in range(0, len(codes), INTERFACE_LENGTH)),
        )
        return info, end


@dataclass(frozen=True)
class EnumerationRequest:
    """The question what devices there are (section 5.2)."""

    flags: int = EnumerationFlags.NONE

    def encode(self) -> bytes:
        """Return the 4 bytes of the message."""
        return struct.pack("<I", self.flags)

    @classmethod
    def decode(cls, payload: bytes) -> EnumerationRequest:
        """Read a request."""
        expect_length("DeviceEnumeration", payload, 4)
        return cls(*unpack_u32(payload))


@dataclass(frozen=True)
class EnumerationAnswer:
    """Every device that the client may have (section 5.2)."""

    devices: tuple[DeviceInfo, ...]

    def encode(self) -> bytes:
        """Return the count and each DeviceInfo."""
        return struct.pack("<I", len(self.devices)) + b"".join(device.encode() for device in self.devices)

    @classmethod
    def decode(cls, payload: bytes) -> EnumerationAnswer:
        """Read an answer."""
        expect_at_least("DeviceEnumeration", payload, 4)
        (count,) = unpack_u32(payload[:4])
        if count > MAX_DEVICES:
            raise BadLength(f"count {count} is beyond {MAX_DEVICES}")
        devices = []
        offset = 4
        for _ in range(count):
            device, offset = DeviceInfo.decode_from(payload, offset)
            devices.append(device)
        expect_length("DeviceEnumeration", payload, offset)
        return cls(tuple(devices))


@dataclass(frozen=True)
class DeviceEvent:
    """A change of what the host has; a `kind` of a later version is to be passed over (section 5.3)."""

    kind: int
    info: DeviceInfo

    def encode(self) -> bytes:
        """Return the kind and the DeviceInfo."""
        return struct.pack("<I", self.kind) + self.info.encode()

    @classmethod
    def decode(cls, payload: bytes) -> DeviceEvent:
        """Read an event."""
        expect_at_least("DeviceEvent", payload, 4)
        (kind,) = unpack_u32(payload[:4])
        info, end = DeviceInfo.decode_from(payload, 4)
        expect_length("DeviceEvent", payload, end)
        return cls(kind, info)
