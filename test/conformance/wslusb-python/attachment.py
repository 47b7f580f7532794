"""Messages that take, return and reset a device: DeviceAttach, DeviceDetach, DeviceReset (sections 5.4, 5.5, 5.9)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from field import expect_at_least, expect_length, pack_text, unpack_text, unpack_u32
from inventory import Speed
from status import Status
from violation import BadDevice, BadField, BadLength

REFUSAL_LENGTH = 260
"""Bytes of the fixed part of a DeviceAttach answer (section 5.4)."""

GRANT = struct.Struct("<I2BHI")
"""`device`, `speed`, `current_configuration`, `reserved`, `descriptors_length` (section 5.4)."""

MAX_DESCRIPTORS = 1_048_576
"""Bytes of descriptors at most (section 5.4)."""


@dataclass(frozen=True)
class AttachRequest:
    """The wish to have a device (section 5.4)."""

    instance_id: str

    def encode(self) -> bytes:
        """Return the 256 bytes of the message."""
        return pack_text(self.instance_id, 256)

    @classmethod
    def decode(cls, payload: bytes) -> AttachRequest:
        """Read a request."""
        expect_length("DeviceAttach", payload, 256)
        return cls(unpack_text(payload))


@dataclass(frozen=True)
class AttachRefusal:
    """A DeviceAttach answer whose status is not OK (section 5.4)."""

    status: int
    message: str

    def encode(self) -> bytes:
        """Return the 260 bytes of the message."""
        return struct.pack("<I", self.status) + pack_text(self.message, 256)


@dataclass(frozen=True)
class AttachGrant:
    """A DeviceAttach answer with status OK: the device is the client's (section 5.4)."""

    device: int
    speed: int
    current_configuration: int
    descriptors: bytes

    def encode(self) -> bytes:
        """Return the 272 bytes before the descriptors, and the descriptors."""
        grant = GRANT.pack(self.device, self.speed, self.current_configuration, 0, len(self.descriptors))
        return AttachRefusal(Status.OK, "").encode() + grant + self.descriptors


def decode_attach_answer(payload: bytes) -> AttachGrant | AttachRefusal:
    """Read the answer to a DeviceAttach (section 5.4)."""
    expect_at_least("DeviceAttach", payload, REFUSAL_LENGTH)
    (number,) = unpack_u32(payload[:4])
    message = unpack_text(payload[4:REFUSAL_LENGTH])
    if number != Status.OK:
        expect_length("refused DeviceAttach", payload, REFUSAL_LENGTH)
        return AttachRefusal(number, message)
    expect_at_least("granted DeviceAttach", payload, REFUSAL_LENGTH + GRANT.size)
    device, speed, configuration, _, length = GRANT.unpack_from(payload, REFUSAL_LENGTH)
    if device == 0:
        raise BadDevice("a handle is not 0")
    if not Speed.LOW <= speed <= Speed.SUPER_PLUS:
        raise BadField(f"speed {speed} is not 1 to 5")
    if length > MAX_DESCRIPTORS:
        raise BadLength(f"descriptors_length {length} is beyond {MAX_DESCRIPTORS}")
    descriptors = payload[REFUSAL_LENGTH + GRANT.size :]
    expect_length("descriptors", descriptors, length)
    return AttachGrant(device, speed, configuration, descriptors)


@dataclass(frozen=True)
class DeviceRequest:
    """A DeviceDetach or DeviceReset of a client (sections 5.5 and 5.9)."""

    device: int

    def encode(self) -> bytes:
        """Return the 4 bytes of the message."""
        return struct.pack("<I", self.device)

    @classmethod
    def decode(cls, payload: bytes) -> DeviceRequest:
        """Read a request."""
        expect_length("DeviceDetach or DeviceReset", payload, 4)
        return cls(*unpack_u32(payload))


@dataclass(frozen=True)
class DetachAnswer:
    """The answer to a DeviceDetach, or the DeviceDetach of a host (section 5.5)."""

    device: int
    status: int

    def encode(self) -> bytes:
        """Return the 8 bytes of the message."""
        return struct.pack("<2I", self.device, self.status)

    @classmethod
    def decode(cls, payload: bytes) -> DetachAnswer:
        """Read an answer, or what a host sends unasked."""
        expect_length("DeviceDetach", payload, 8)
        return cls(*unpack_u32(payload))


@dataclass(frozen=True)
class ResetAnswer:
    """The answer to a DeviceReset: a transfer status, or BUSY (section 5.9)."""

    device: int
    status: int

    def encode(self) -> bytes:
        """Return the 8 bytes of the message."""
        return struct.pack("<2I", self.device, self.status)

    @classmethod
    def decode(cls, payload: bytes) -> ResetAnswer:
        """Read an answer."""
        expect_length("DeviceReset", payload, 8)
        return cls(*unpack_u32(payload))
