"""Greeting: checks of the first frames (section 5.1, and the last example of section 10)."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from frame import HEADER, MAX_PAYLOAD, Flags, Frame, MessageType
from session import MAX_CREDIT, MAX_HELLO_TAIL, MIN_CREDIT, VERSION, Error, Hello
from status import Status, status_name
from stranger import Stranger
from suite import Suite, expect, expect_that

VERSION_1_REQUEST = Frame(MessageType.URB_REQUEST, 0, bytes(272)).encode()
VERSION_1_MESSAGE = (
    "BAD_VERSION: the first frame has type 4, as in version 1; "
    "version 2 is spoken here, which begins with Hello (type 7)"
)
"""What the example of section 10 answers to it."""

HANDSHAKE_LIMIT = 10.0
"""Seconds that usbferry waits for a Hello, and leaves an idle connection open (section 7)."""

NO_FRAMES: tuple[tuple[str, bytes], ...] = (
    *((f"type {number}", HEADER.pack(number, 4, 0, 0) + bytes(4)) for number in (0, 12, 200, 256)),
    ("a web browser", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("zeros", bytes(64)),
    ("ones", b"\xff" * 64),
)
"""First bytes that are no frame of any version; the address must expect WSL-USB (section 2)."""

suite = Suite()


@asynccontextmanager
async def dialled(address: str) -> AsyncIterator[Stranger]:
    """A stranger that has said nothing yet, and is closed at the end."""
    stranger = await Stranger.connect(address)
    try:
        yield stranger
    finally:
        stranger.close()


def hello_frame(payload: bytes) -> bytes:
    """Return a Hello frame with a payload that need not be right."""
    return Frame(MessageType.HELLO, 0, payload).encode()


REFUSED: tuple[tuple[str, str, bytes, Status], ...] = (
    ("a KeepAlive", "5.1", Frame(MessageType.KEEP_ALIVE, 0, bytes(4)).encode(), Status.BAD_VERSION),
    ("a DeviceAttach", "5.1", Frame(MessageType.DEVICE_ATTACH, 1, bytes(256)).encode(), Status.BAD_VERSION),
    ("no common version", "5.1", hello_frame(Hello(9, 3).encode()), Status.BAD_VERSION),
    ("version 1 in a Hello", "5.1", hello_frame(Hello(1, 1).encode()), Status.BAD_VERSION),
    ("another magic", "5.1", hello_frame(b"wslusb" + Hello().encode()[6:]), Status.BAD_FIELD),
    ("35 bytes", "5", hello_frame(Hello().encode()[:35]), Status.BAD_LENGTH),
    ("too long a tail", "5.1", hello_frame(Hello().encode() + bytes(MAX_HELLO_TAIL + 1)), Status.BAD_LENGTH),
    ("too little credit", "5.1", hello_frame(Hello(credit=MIN_CREDIT - 1).encode()), Status.BAD_FIELD),
    ("too much credit", "5.1", hello_frame(Hello(credit=MAX_CREDIT + 1).encode()), Status.BAD_FIELD),
    ("an unknown flag", "3", HEADER.pack(7, 36, 0, 4) + Hello().encode(), Status.BAD_FIELD),
    ("a frame that is too long", "3", HEADER.pack(7, MAX_PAYLOAD + 1, 0, 0), Status.BAD_LENGTH),
    ("ABANDONED", "3", HEADER.pack(7, 0, 0, Flags.ABANDONED), Status.BAD_FIELD),
)
"""First frames that are refused: name, section, bytes and the status of the Error."""


for name, section, data, status in REFUSED:

    @suite.check(f"first frame with {name} gets an Error {status.name}")
    async def check_refused(
        address: str, section: str = section, data: bytes = data, status: Status = status
    ) -> None:
        """The Error is the last frame before the end of the stream (section 2)."""
        async with dialled(address) as stranger:
            stranger.send_bytes(data)
            error = await stranger.last_error()
            expect(section, "status", status.name, status_name(error.status))


for name, data in NO_FRAMES:

    @suite.check(f"first bytes of {name} are a BAD_VERSION")
    async def check_no_frame(address: str, data: bytes = data) -> None:
        """Section 5.1: the type is looked at before anything else."""
        async with dialled(address) as stranger:
            stranger.send_bytes(data)
            error = await stranger.last_error()
            expect("5.1", "status", "BAD_VERSION", status_name(error.status))


@suite.check("a request right behind the Hello is answered")
async def check_hasty_client(address: str) -> None:
    """Section 5.1."""
    async with dialled(address) as stranger:
        hasty = Frame(MessageType.DEVICE_ENUMERATION, 1, bytes(4)).encode()
        stranger.send_bytes(hello_frame(Hello().encode()) + hasty)
        kinds = [frame.kind if (frame := await stranger.read()) else None for _ in range(2)]
        expect("5.1", "answers", [MessageType.HELLO, MessageType.DEVICE_ENUMERATION], kinds)


@suite.check("a message between the frames of a Hello is a BAD_COMMAND")
async def check_interrupted_hello(address: str) -> None:
    """Section 5.1."""
    async with dialled(address) as stranger:
        stranger.send(MessageType.HELLO, 0, Hello().encode()[:20], Flags.MORE)
        stranger.send(MessageType.KEEP_ALIVE, 1, bytes(4))
        error = await stranger.last_error()
        expect("5.1", "status", "BAD_COMMAND", status_name(error.status))


@suite.check("first frame of a peer of version 1 gets the Error of the example")
async def check_version_1(address: str) -> None:
    """Section 10, last example."""
    async with dialled(address) as stranger:
        stranger.send_bytes(VERSION_1_REQUEST)
        error = await stranger.last_error()
        expect("10", "status", Status.BAD_VERSION, error.status)
        expect("10", "message", VERSION_1_MESSAGE, error.message)


@suite.check("Hello of a later version is answered with version 2")
async def check_later_version(address: str) -> None:
    """Section 5.1: what follows the 36 bytes is passed over."""
    async with dialled(address) as stranger:
        stranger.send_bytes(hello_frame(Hello(version=7).encode() + bytes(MAX_HELLO_TAIL)))
        answer = await stranger.expect(MessageType.HELLO)
        hello = Hello.decode(answer.payload)
        expect("4", "sequence_number", 0, answer.sequence)
        expect("5.1", "version", VERSION, hello.version)
        expect("5.1", "lowest_version", VERSION, hello.lowest_version)
        expect("5.1", "transfer_length", 16_777_216, hello.transfer_length)
        expect("5.1", "packets", 1_024, hello.packets)
        expect_that("5.1", "limits that are not 0", all((hello.devices, hello.urbs, hello.flight_bytes)), hello)


@suite.check("Hello that comes byte by byte is understood")
async def check_slow_hello(address: str) -> None:
    """Section 2: a stream has bytes, not packets."""
    async with dialled(address) as stranger:
        for byte in hello_frame(Hello().encode()):
            stranger.send_bytes(struct.pack("B", byte))
            await stranger.flush()
        await stranger.expect(MessageType.HELLO)


@suite.check("a second Hello is a BAD_COMMAND")
async def check_second_hello(address: str) -> None:
    """Section 5.1."""
    async with dialled(address) as stranger:
        stranger.send_bytes(hello_frame(Hello().encode()) * 2)
        error = await stranger.last_error()
        expect("5.1", "status", "BAD_COMMAND", status_name(error.status))


@suite.check("an Error of the client is not answered")
async def check_error_unanswered(address: str) -> None:
    """Section 5.12."""
    async with dialled(address) as stranger:
        stranger.send_bytes(hello_frame(Hello().encode()))
        await stranger.expect(MessageType.HELLO)
        stranger.send(MessageType.ERROR, 0, struct.pack("<I", Status.BAD_FIELD) + bytes(256))
        expect("5.12", "behind an Error", None, await stranger.read())


for name, sent in (("nothing", 0), ("four bytes", 4), ("half a Hello", 20), ("a Hello without its last byte", 51)):

    @suite.check(f"a peer that sends {name} is told HANDSHAKE_TIMEOUT", in_background=True)
    async def check_handshake_timeout(address: str, sent: int = sent) -> None:
        """Section 7: after 10 s."""
        async with dialled(address) as stranger:
            stranger.send_bytes(hello_frame(Hello().encode())[:sent])
            error = await stranger.last_error(HANDSHAKE_LIMIT + 2)
            expect("7", "status", "HANDSHAKE_TIMEOUT", status_name(error.status))


@suite.check("a connection without device and subscription is told ENDED", in_background=True)
async def check_idle(address: str) -> None:
    """Section 7: after 10 s; until then the host may ask whether the client lives."""
    async with dialled(address) as stranger:
        stranger.send_bytes(hello_frame(Hello().encode()))
        await stranger.expect(MessageType.HELLO)
        frames = [frame async for frame in stranger.answering(HANDSHAKE_LIMIT + 3)]
        expect("2", "last frame", MessageType.ERROR, frames[-1].kind)
        expect("7", "status", "ENDED", status_name(Error.decode(frames[-1].payload).status))
