"""Messages of the session itself: Hello, KeepAlive, Credit and Error (sections 5.1 and 5.10 to 5.12)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from field import expect_at_least, expect_length, pack_text, unpack_text, unpack_u32
from violation import BadField, BadLength

VERSION = 2
"""The version that is spoken here (section 5.1)."""

MAGIC = b"WSLUSB"
MIN_CREDIT = 65_536
MAX_CREDIT = 16_777_216
MAX_TRANSFER_LENGTH = 16_777_216
"""Bytes of one URB at most (section 5.1)."""

MAX_PACKETS = 1_024
"""Packets of one isochronous URB at most (section 5.1)."""

HELLO = struct.Struct("<6s3H6I")
MAX_HELLO_TAIL = 4_060
"""Bytes of a later version behind the 36 of a Hello, at most (section 5.1)."""

ERROR_LENGTH = 260


@dataclass(frozen=True)
class Hello:
    """The first frame of each side (section 5.1). `flight_bytes` is its field `bytes`."""

    version: int = VERSION
    lowest_version: int = VERSION
    credit: int = 262_144
    devices: int = 0
    urbs: int = 0
    flight_bytes: int = 0
    transfer_length: int = 0
    packets: int = 0

    def encode(self) -> bytes:
        """Return the 36 bytes of version 2."""
        return HELLO.pack(
            MAGIC,
            self.version,
            self.lowest_version,
            0,
            self.credit,
            self.devices,
            self.urbs,
            self.flight_bytes,
            self.transfer_length,
            self.packets,
        )

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        """Read a Hello; what a later version has put behind it is passed over."""
        expect_at_least("Hello", payload, HELLO.size)
        if len(payload) > HELLO.size + MAX_HELLO_TAIL:
            raise BadLength(f"Hello has {len(payload)} bytes")
        magic, version, lowest, _, credit, *limits = HELLO.unpack_from(payload)
        if magic != MAGIC:
            raise BadField(f"magic is {magic.hex()}")
        if not MIN_CREDIT <= credit <= MAX_CREDIT:
            raise BadField(f"credit {credit} is not {MIN_CREDIT} to {MAX_CREDIT}")
        return cls(version, lowest, credit, *limits)


@dataclass(frozen=True)
class KeepAlive:
    """A question (`answer` 0) whether the peer lives, or the answer to one (section 5.10)."""

    answer: int

    def encode(self) -> bytes:
        """Return the 4 bytes of the message."""
        return struct.pack("<I", self.answer)

    @classmethod
    def decode(cls, payload: bytes) -> KeepAlive:
        """Read a KeepAlive."""
        expect_length("KeepAlive", payload, 4)
        return cls(*unpack_u32(payload))


@dataclass(frozen=True)
class Credit:
    """Leave to send `amount` more bytes for a device, its field `bytes` (section 5.11)."""

    device: int
    amount: int

    def encode(self) -> bytes:
        """Return the 8 bytes of the message."""
        return struct.pack("<2I", self.device, self.amount)

    @classmethod
    def decode(cls, payload: bytes) -> Credit:
        """Read a Credit."""
        expect_length("Credit", payload, 8)
        return cls(*unpack_u32(payload))


@dataclass(frozen=True)
class Error:
    """Why the sender ends the connection (section 5.12)."""

    status: int
    message: str

    def encode(self) -> bytes:
        """Return the 260 bytes of the message."""
        return struct.pack("<I", self.status) + pack_text(self.message, 256)

    @classmethod
    def decode(cls, payload: bytes) -> Error:
        """Read an Error; nothing but its length is checked, for it is not answered."""
        expect_length("Error", payload, ERROR_LENGTH)
        (status,) = unpack_u32(payload[:4])
        return cls(status, unpack_text(payload[4:-1] + b"\0"))
