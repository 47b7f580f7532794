"""Frames: a header of 16 bytes and a payload, and the cutting of a stream into them (section 3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag

from violation import BadCommand, BadField, BadLength, BadVersion, UnknownSeqnum

HEADER = struct.Struct("<4I")
"""`type`, `payload_size`, `sequence_number` and the flags in `reserved` (section 3)."""

MAX_PAYLOAD = 65_520
"""Bytes that the payload of a frame has at most (section 3)."""


class Side(Enum):
    """Who sends (section 1)."""

    CLIENT = "client"
    HOST = "host"


class MessageType(IntEnum):
    """The first field of the header (section 5)."""

    DEVICE_ENUMERATION = 1
    DEVICE_ATTACH = 2
    DEVICE_DETACH = 3
    URB_REQUEST = 4
    URB_RESPONSE = 5
    DEVICE_EVENT = 6
    HELLO = 7
    URB_CANCEL = 8
    KEEP_ALIVE = 9
    CREDIT = 10
    DEVICE_RESET = 11
    ERROR = 255


class Flags(IntFlag):
    """The bits of the header's last field (section 3)."""

    NONE = 0
    MORE = 1
    ABANDONED = 2


KNOWN_FLAGS = int(Flags.MORE | Flags.ABANDONED)

ONE_SIDED = {
    MessageType.URB_REQUEST: Side.CLIENT,
    MessageType.URB_RESPONSE: Side.HOST,
    MessageType.DEVICE_EVENT: Side.HOST,
}
"""The types that only one side sends (section 5)."""


@dataclass(frozen=True)
class Frame:
    """One frame (section 3)."""

    kind: MessageType
    sequence: int
    payload: bytes = b""
    flags: Flags = Flags.NONE

    @property
    def more(self) -> bool:
        """Whether another frame of the message follows."""
        return Flags.MORE in self.flags

    @property
    def abandoned(self) -> bool:
        """Whether the sender gives the message up."""
        return Flags.ABANDONED in self.flags

    def encode(self) -> bytes:
        """Return header and payload as they are sent."""
        if len(self.payload) > MAX_PAYLOAD:
            raise ValueError(f"a payload of {len(self.payload)} bytes does not fit a frame")
        return HEADER.pack(self.kind, len(self.payload), self.sequence, self.flags) + self.payload


@dataclass(frozen=True)
class Header:
    """A header that has been checked; `sender` decided which types it may have."""

    kind: MessageType
    payload_size: int
    sequence: int
    flags: Flags

    @classmethod
    def decode(cls, data: bytes, sender: Side) -> Header:
        """Read the 16 bytes of a header, and refuse whatever sections 3 and 5 refuse of it."""
        number, payload_size, sequence, bits = HEADER.unpack(data)
        if payload_size > MAX_PAYLOAD:
            raise BadLength(f"payload_size {payload_size} is beyond {MAX_PAYLOAD}")
        if bits & ~KNOWN_FLAGS:
            raise BadField(f"reserved {bits:#x} has bits that are no flags")
        flags = Flags(bits)
        if Flags.MORE in flags and payload_size == 0:
            raise BadField("MORE without payload")
        if Flags.ABANDONED in flags and (payload_size or Flags.MORE in flags):
            raise BadField("ABANDONED with payload or MORE")
        return cls(known_type(number, sender), payload_size, sequence, flags)


def known_type(number: int, sender: Side) -> MessageType:
    """Return the type of a message; refuse one that does not exist, or not from this side (section 5)."""
    refusal = BadCommand if sender is Side.CLIENT else UnknownSeqnum
    try:
        kind = MessageType(number)
    except ValueError:
        raise refusal(f"type {number} does not exist") from None
    if ONE_SIDED.get(kind, sender) is not sender:
        raise refusal(f"a {sender.value} does not send {kind.name}")
    return kind


def check_first_type(header: bytes) -> None:
    """Refuse a first frame that is neither a Hello nor an Error, whatever else stands in it (section 5.1)."""
    number: int = HEADER.unpack(header)[0]
    if number not in (MessageType.HELLO, MessageType.ERROR):
        raise BadVersion(f"the first frame has type {number}")


class FrameReader:
    """Cuts the bytes of one direction into frames, however they are divided on their way.

    With `from_beginning` the first of them is the first of the connection.
    """

    def __init__(self, sender: Side, from_beginning: bool = False) -> None:
        self._sender = sender
        self._greeting = from_beginning
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes of the stream and yield every frame that is whole with them.

        A bad header is refused as soon as its 16 bytes are there.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            head = bytes(self._buffer[: HEADER.size])
            if self._greeting:
                check_first_type(head)
                self._greeting = False
            header = Header.decode(head, self._sender)
            end = HEADER.size + header.payload_size
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield Frame(header.kind, header.sequence, payload, header.flags)
