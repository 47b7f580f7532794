"""Messages that carry transfers: UrbRequest, UrbResponse and UrbCancel (sections 5.6 to 5.8)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from field import check_endpoint, expect_at_least, expect_length, unpack_u32
from session import MAX_PACKETS, MAX_TRANSFER_LENGTH
from status import FIRST_DEVICE_STATUS, Status, transfer_status
from violation import BadField, BadLength

REQUEST = struct.Struct("<I2BH8s6I")
RESPONSE = struct.Struct("<6I")
PACKET = struct.Struct("<2I")
IN = 0x80
"""Bit 7 of an endpoint address (section 1)."""


class TransferType(IntEnum):
    """The field `transfer_type` (section 5.6)."""

    CONTROL = 0
    ISOCHRONOUS = 1
    BULK = 2
    INTERRUPT = 3


class UrbFlags(IntFlag):
    """The field `flags` (section 5.6)."""

    NONE = 0
    SHORT_NOT_OK = 1
    ISO_ASAP = 2
    ZERO_PACKET = 4


@dataclass(frozen=True)
class PacketRange:
    """Where an isochronous packet lies in its transfer, in bytes (section 5.6)."""

    offset: int
    length: int


@dataclass(frozen=True)
class PacketResult:
    """What became of an isochronous packet: bytes that moved, and a transfer status (section 5.7)."""

    actual_length: int
    status: int


def pack_setup(request_type: int, request: int, value: int, index: int, length: int) -> bytes:
    """Return the setup packet of USB 2.0 section 9.3."""
    return struct.pack("<2B3H", request_type, request, value, index, length)


@dataclass(frozen=True)
class UrbRequest:
    """One transfer on one endpoint (section 5.6). `interval` is in frames or microframes."""

    device: int
    endpoint: int
    transfer_type: TransferType
    transfer_buffer_length: int
    data: bytes = b""
    flags: int = UrbFlags.NONE
    setup: bytes = bytes(8)
    interval: int = 0
    start_frame: int = 0
    stream_id: int = 0
    packets: tuple[PacketRange, ...] = ()

    @property
    def is_in(self) -> bool:
        """Whether data goes from the device to the client."""
        return bool(self.endpoint & IN)

    @property
    def costs(self) -> bool:
        """Whether its frames, and those of its response, cost credit (section 9)."""
        return self.transfer_type in (TransferType.ISOCHRONOUS, TransferType.BULK)

    def encode(self) -> bytes:
        """Return the fixed part, the packet table and the OUT data."""
        head = REQUEST.pack(
            self.device,
            self.endpoint,
            self.transfer_type,
            self.flags,
            self.setup,
            self.transfer_buffer_length,
            len(self.packets),
            self.interval,
            self.start_frame,
            self.stream_id,
            0,
        )
        table = b"".join(PACKET.pack(packet.offset, packet.length) for packet in self.packets)
        return head + table + self.data

    @classmethod
    def decode(cls, payload: bytes) -> UrbRequest:
        """Read a request. What makes no sense, but has its length, is left to a UrbResponse (section 5.6)."""
        expect_at_least("UrbRequest", payload, REQUEST.size)
        fields = REQUEST.unpack_from(payload)
        device, endpoint, kind, flags, setup, length, count, interval, start_frame, stream_id, _ = fields
        check_endpoint(endpoint)
        if kind > max(TransferType):
            raise BadField(f"transfer_type {kind} is not 0 to 3")
        if length > MAX_TRANSFER_LENGTH:
            raise BadLength(f"transfer_buffer_length {length} is beyond {MAX_TRANSFER_LENGTH}")
        table_end = request_table_end(payload)
        expect_length("UrbRequest", payload, table_end + (0 if endpoint & IN else length))
        table = PACKET.iter_unpack(payload[REQUEST.size : table_end])
        return cls(
            device,
            endpoint,
            TransferType(kind),
            length,
            payload[table_end:],
            flags,
            setup,
            interval,
            start_frame,
            stream_id,
            tuple(PacketRange(*packet) for packet in table),
        )


def request_table_end(payload: bytes) -> int:
    """Return how many bytes of a UrbRequest must stand in its first frame (section 3)."""
    expect_at_least("UrbRequest", payload, REQUEST.size)
    count: int = REQUEST.unpack_from(payload)[6]
    if count > MAX_PACKETS:
        raise BadLength(f"number_of_packets {count} is beyond {MAX_PACKETS}")
    return REQUEST.size + PACKET.size * count


def response_table_end(payload: bytes) -> int:
    """Return how many bytes of a UrbResponse must stand in its first frame (section 3)."""
    expect_at_least("UrbResponse", payload, RESPONSE.size)
    count: int = RESPONSE.unpack_from(payload)[4]
    if count > MAX_PACKETS:
        raise BadLength(f"number_of_packets {count} is beyond {MAX_PACKETS}")
    return RESPONSE.size + PACKET.size * count


def costs_nothing(payload: bytes) -> bool:
    """Whether a UrbResponse is CANCELLED without data, which is free (section 9)."""
    return RESPONSE.unpack_from(payload)[:2] == (Status.CANCELLED, 0)


@dataclass(frozen=True)
class UrbResponse:
    """How a transfer ended (section 5.7). Isochronous IN data has no gaps."""

    status: int
    transferred_length: int
    data: bytes = b""
    start_frame: int = 0
    error_count: int = 0
    packets: tuple[PacketResult, ...] = ()

    @property
    def outcome(self) -> Status:
        """The status; one that version 2 does not know is PROTOCOL (section 6)."""
        return transfer_status(self.status)

    def encode(self) -> bytes:
        """Return the fixed part, the packet table and the IN data."""
        head = RESPONSE.pack(
            self.status,
            self.transferred_length,
            self.start_frame,
            self.error_count,
            len(self.packets),
            0,
        )
        table = b"".join(PACKET.pack(packet.actual_length, packet.status) for packet in self.packets)
        return head + table + self.data

    @classmethod
    def decode(cls, payload: bytes, request: UrbRequest) -> UrbResponse:
        """Read a response, and believe nothing of it that its request does not bear out (section 5.7)."""
        table_end = response_table_end(payload)
        expect_at_least("UrbResponse", payload, table_end)
        status, transferred, start_frame, error_count, _, _ = RESPONSE.unpack_from(payload)
        if status >= FIRST_DEVICE_STATUS:
            raise BadField(f"status {status} of a UrbResponse is no transfer status")
        if transferred > request.transfer_buffer_length:
            raise BadLength(f"{transferred} bytes moved, {request.transfer_buffer_length} were asked for")
        table = PACKET.iter_unpack(payload[RESPONSE.size : table_end])
        packets = tuple(PacketResult(*packet) for packet in table)
        check_packets(packets, request, transferred, error_count)
        expect_length("UrbResponse", payload, table_end + (transferred if request.is_in else 0))
        return cls(status, transferred, payload[table_end:], start_frame, error_count, packets)


def check_packets(
    packets: tuple[PacketResult, ...], request: UrbRequest, transferred: int, error_count: int
) -> None:
    """Refuse a packet table that contradicts the request, or the rest of its response (section 5.7)."""
    if len(packets) != len(request.packets):
        raise BadLength(f"{len(packets)} packets answer {len(request.packets)}")
    if any(packet.status >= FIRST_DEVICE_STATUS for packet in packets):
        raise BadField("the status of a packet is no transfer status")
    if any(result.actual_length > asked.length for result, asked in zip(packets, request.packets)):
        raise BadLength("a packet has more bytes than were asked for")
    if packets and sum(packet.actual_length for packet in packets) != transferred:
        raise BadLength(f"the packets together do not have {transferred} bytes")
    if error_count != sum(packet.status != Status.OK for packet in packets):
        raise BadField(f"error_count {error_count} is not that of the packets")


@dataclass(frozen=True)
class CancelRequest:
    """The wish to end a URB early; `urb` is the number of its UrbRequest (section 5.8)."""

    urb: int

    def encode(self) -> bytes:
        """Return the 4 bytes of the message."""
        return struct.pack("<I", self.urb)

    @classmethod
    def decode(cls, payload: bytes) -> CancelRequest:
        """Read a request."""
        expect_length("UrbCancel", payload, 4)
        return cls(*unpack_u32(payload))


@dataclass(frozen=True)
class CancelAnswer:
    """Whether the URB was in flight: OK or NOT_FOUND (section 5.8)."""

    urb: int
    status: int

    def encode(self) -> bytes:
        """Return the 8 bytes of the message."""
        return struct.pack("<2I", self.urb, self.status)

    @classmethod
    def decode(cls, payload: bytes) -> CancelAnswer:
        """Read an answer."""
        expect_length("UrbCancel", payload, 8)
        return cls(*unpack_u32(payload))
