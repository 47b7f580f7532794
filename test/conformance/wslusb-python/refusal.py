"""Refusals: checks that malformed messages behind the Hello end the connection, with the right status."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from assembly import MAX_BEGUN
from bench import SERIAL, ZERO, attachment
from client import Client
from frame import HEADER, MAX_PAYLOAD, Flags, Frame, MessageType
from session import MAX_PACKETS, MAX_TRANSFER_LENGTH, Credit
from status import Status, status_name
from stranger import Stranger
from suite import Suite, expect, expect_that
from urb import IN, REQUEST, PacketRange, TransferType, UrbRequest, pack_setup
from violation import PeerError

Build = Callable[[int], bytes]
"""Makes the frames of a refusal for the handle of a device."""

NEVER_GIVEN = 9_999
GET_DEVICE_DESCRIPTOR = pack_setup(0x80, 6, 1 << 8, 0, 18)
suite = Suite()


def frame(kind: int, payload: bytes = b"", flags: int = 0, sequence: int = 77) -> bytes:
    """Return a frame with a type and flags that need not exist."""
    return HEADER.pack(kind, len(payload), sequence, flags) + payload


def numbers(*values: int) -> bytes:
    """Return u32 numbers."""
    return struct.pack(f"<{len(values)}I", *values)


def request(
    device: int, endpoint: int, kind: TransferType, length: int, data: bytes = b"", packets: int = 0
) -> bytes:
    """Return the payload of a UrbRequest, with packets of one byte each."""
    table = tuple(PacketRange(offset, 1) for offset in range(packets))
    setup = GET_DEVICE_DESCRIPTOR if kind is TransferType.CONTROL else bytes(8)
    return UrbRequest(device, endpoint, kind, length, data, setup=setup, packets=table).encode()


def control(device: int) -> bytes:
    """Return the payload of a UrbRequest that reads the device descriptor."""
    return request(device, IN, TransferType.CONTROL, 18)


def with_transfer_type(payload: bytes, number: int) -> bytes:
    """Return the payload of a UrbRequest with another `transfer_type`."""
    return payload[:5] + bytes((number,)) + payload[6:]


URB = MessageType.URB_REQUEST
ALIVE = MessageType.KEEP_ALIVE
BULK = TransferType.BULK
LESS = "OUT UrbRequest with a byte less"
MORE = "OUT UrbRequest with a byte more"

SESSION_REFUSALS: tuple[tuple[str, str, bytes, Status], ...] = (
    ("payload_size 65521", "3", HEADER.pack(ALIVE, MAX_PAYLOAD + 1, 1, 0), Status.BAD_LENGTH),
    ("flag 4", "3", frame(ALIVE, bytes(4), 4), Status.BAD_FIELD),
    ("flag 0x80000000", "3", frame(ALIVE, bytes(4), 1 << 31), Status.BAD_FIELD),
    ("MORE without payload", "3", frame(ALIVE, b"", Flags.MORE), Status.BAD_FIELD),
    ("ABANDONED with payload", "3", frame(ALIVE, bytes(4), Flags.ABANDONED), Status.BAD_FIELD),
    ("ABANDONED with MORE", "3", frame(ALIVE, b"", 3), Status.BAD_FIELD),
    ("ABANDONED of nothing", "3", frame(ALIVE, b"", Flags.ABANDONED), Status.BAD_FIELD),
    ("type 0", "5", frame(0), Status.BAD_COMMAND),
    ("type 12", "5", frame(12, bytes(4)), Status.BAD_COMMAND),
    ("type 256", "5", frame(256, bytes(4)), Status.BAD_COMMAND),
    ("UrbResponse of a client", "5", frame(5, bytes(24)), Status.BAD_COMMAND),
    ("DeviceEvent of a client", "5", frame(6, bytes(660)), Status.BAD_COMMAND),
    ("KeepAlive of 3 bytes", "5", frame(ALIVE, bytes(3)), Status.BAD_LENGTH),
    ("KeepAlive of 4 + 1 bytes", "5", frame(ALIVE, bytes(4), 1) + frame(ALIVE, bytes(1)), Status.BAD_LENGTH),
    ("DeviceEnumeration of 8 bytes", "5", frame(1, bytes(8)), Status.BAD_LENGTH),
    ("DeviceAttach of 255 bytes", "5", frame(2, bytes(255)), Status.BAD_LENGTH),
    ("DeviceDetach of 8 bytes", "5", frame(3, bytes(8)), Status.BAD_LENGTH),
    ("UrbCancel of 8 bytes", "5", frame(8, bytes(8)), Status.BAD_LENGTH),
    ("Credit of 4 bytes", "5", frame(10, bytes(4)), Status.BAD_LENGTH),
    ("DeviceReset of 0 bytes", "5", frame(11), Status.BAD_LENGTH),
    ("Error of 4 bytes", "5", frame(255, bytes(4)), Status.BAD_LENGTH),
    ("DeviceEnumeration 0", "4", frame(1, bytes(4), sequence=0), Status.BAD_FIELD),
    ("DeviceReset 0", "4", frame(11, numbers(NEVER_GIVEN), sequence=0), Status.BAD_FIELD),
    ("instance_id without NUL", "1", frame(2, b"z" * 256), Status.BAD_FIELD),
    ("UrbRequest for no device", "5.4", frame(URB, control(NEVER_GIVEN)), Status.BAD_DEVICE),
    ("DeviceDetach of no device", "5.4", frame(3, numbers(NEVER_GIVEN)), Status.BAD_DEVICE),
    ("DeviceReset of no device", "5.4", frame(11, numbers(NEVER_GIVEN)), Status.BAD_DEVICE),
    ("Credit for no device", "5.4", frame(10, numbers(NEVER_GIVEN, 1)), Status.BAD_DEVICE),
    (
        "1,025 messages begun",
        "3",
        b"".join(frame(ALIVE, bytes(4), 1, number) for number in range(1, MAX_BEGUN + 2)),
        Status.FLOOD,
    ),
)
"""Frames that are refused without any device: name, section, bytes and the status of the Error."""

DEVICE_REFUSALS: tuple[tuple[str, str, Build, Status], ...] = (
    ("UrbRequest 0", "4", lambda h: frame(URB, control(h), sequence=0), Status.BAD_FIELD),
    ("endpoint 0x90", "5.6", lambda h: frame(URB, request(h, 0x90, BULK, 1)), Status.BAD_FIELD),
    ("transfer_type 4", "5.6", lambda h: frame(URB, with_transfer_type(control(h), 4)), Status.BAD_FIELD),
    (
        "transfer_buffer_length 16777217",
        "5.6",
        lambda h: frame(URB, request(h, IN | 1, BULK, MAX_TRANSFER_LENGTH + 1)),
        Status.BAD_LENGTH,
    ),
    (
        "1025 packets",
        "5.6",
        lambda h: frame(URB, request(h, IN | 2, TransferType.ISOCHRONOUS, 1025, packets=MAX_PACKETS + 1)),
        Status.BAD_LENGTH,
    ),
    (
        "UrbRequest whose fixed part is cut",
        "3",
        lambda h: frame(URB, control(h)[: REQUEST.size - 1], Flags.MORE),
        Status.BAD_LENGTH,
    ),
    (
        "UrbRequest whose packet table is cut",
        "3",
        lambda h: frame(URB, request(h, IN | 2, TransferType.ISOCHRONOUS, 2, packets=2)[:-1], Flags.MORE),
        Status.BAD_LENGTH,
    ),
    ("IN UrbRequest with data", "5.6", lambda h: frame(URB, control(h) + b"x"), Status.BAD_LENGTH),
    (LESS, "5.6", lambda h: frame(URB, request(h, 1, BULK, 5, bytes(4))), Status.BAD_LENGTH),
    (MORE, "5.6", lambda h: frame(URB, request(h, 1, BULK, 5, bytes(6))), Status.BAD_LENGTH),
    ("Credit that was not spent", "9", lambda h: frame(10, Credit(h, 1).encode()), Status.BAD_FIELD),
)
"""Frames that are refused of the client that has a device: name, section, how to make them, and the status."""


@asynccontextmanager
async def greeted(address: str) -> AsyncIterator[Stranger]:
    """A stranger that has exchanged Hellos, and is closed at the end."""
    stranger = await Stranger.greeted(address)
    try:
        yield stranger
    finally:
        stranger.close()


async def expect_refusal(client: Client, data: bytes, section: str, status: Status) -> None:
    """Send frames over the connection of a client, which ends with an Error of this status."""
    client.send_bytes(data)
    try:
        await client.enumerate()
    except PeerError as error:
        expect(section, "status", status.name, status_name(error.status))
        return
    expect_that(section, f"an Error {status.name}", False, "an answer to the next question")


for name, section, data, status in SESSION_REFUSALS:

    @suite.check(f"{name} is a {status.name}")
    async def check_session_refusal(
        address: str, section: str = section, data: bytes = data, status: Status = status
    ) -> None:
        """The Error is the last frame before the end of the stream (section 2)."""
        async with greeted(address) as stranger:
            stranger.send_bytes(data)
            error = await stranger.last_error()
            expect(section, "status", status.name, status_name(error.status))


for name, section, build, status in DEVICE_REFUSALS:

    @suite.check(f"{name} is a {status.name}")
    async def check_device_refusal(
        address: str, section: str = section, build: Build = build, status: Status = status
    ) -> None:
        """An Error ends the connection (section 2), and with it the client has lost its device."""
        async with attachment(address, ZERO) as (device, _):
            await expect_refusal(device.client, build(device.handle), section, status)
            device.gone = Status.DISCONNECTED


@suite.check("the number of a URB in flight is a DUPLICATE_SEQNUM")
async def check_duplicate(address: str) -> None:
    """Section 4."""
    async with attachment(address, SERIAL) as (device, configuration):
        endpoint = configuration.find(TransferType.BULK, True)[1].address
        urb = device.submit(endpoint, BULK, 64)
        await device.client.keep_alive()
        again = Frame(URB, urb.sequence, urb.request.encode()).encode()
        await expect_refusal(device.client, again, "4", Status.DUPLICATE_SEQNUM)
        device.gone = Status.DISCONNECTED
