"""Doubts: checks where the document is unclear, or usbferry is known to do something else than it says."""

from __future__ import annotations

import asyncio

from attachment import DeviceRequest
from bench import (
    DISK,
    KEYBOARD,
    SERIAL,
    SET_CONFIGURATION,
    ZERO,
    attachment,
    find_gadget,
    set_alternate,
    strange_attachment,
    strange_configured,
)
from frame import HEADER, Frame, MessageType
from greeting import HANDSHAKE_LIMIT, dialled, hello_frame
from session import MAX_TRANSFER_LENGTH, Hello
from status import Status, status_name
from stranger import Stranger
from suite import Failure, Suite, expect
from urb import IN, PacketRange, TransferType, UrbRequest, pack_setup
from violation import BadField

suite = Suite()
SETTLING = 0.3
"""Seconds after which nothing more is on its way."""

RESET_PATIENCE = 2.0
"""Seconds that a reset of a simulated device may take."""


@suite.check("a first frame of a type that does not exist is a BAD_VERSION")
async def check_unknown_first(address: str) -> None:
    """Section 5.1: whatever else comes first."""
    async with dialled(address) as stranger:
        stranger.send_bytes(HEADER.pack(12, 4, 0, 0) + bytes(4))
        error = await stranger.last_error()
        expect("5.1", "status", "BAD_VERSION", status_name(error.status))


@suite.check("a peer without Hello is told HANDSHAKE_TIMEOUT", in_background=True)
async def check_handshake_error(address: str) -> None:
    """Sections 2 and 7: a side that ends the conversation for a reason sends an Error."""
    async with dialled(address) as stranger:
        stranger.send_bytes(hello_frame(Hello().encode())[:20])
        error = await stranger.last_error(HANDSHAKE_LIMIT + 2)
        expect("7", "status", "HANDSHAKE_TIMEOUT", status_name(error.status))


@suite.check("URBs may have together as many bytes as the Hello promises")
async def check_bytes_limit(address: str) -> None:
    """Section 5.1: `bytes` that the URBs of a device may have together."""
    async with attachment(address, SERIAL) as (device, configuration):
        endpoint = configuration.find(TransferType.BULK, True)[1].address
        count = device.client.host_hello.flight_bytes // MAX_TRANSFER_LENGTH
        urbs = [device.submit(endpoint, TransferType.BULK, MAX_TRANSFER_LENGTH) for _ in range(count)]
        await asyncio.sleep(SETTLING)
        expect("5.1", "URBs in flight", count, sum(not urb.done for urb in urbs))


@suite.check("current_configuration follows SET_CONFIGURATION")
async def check_current_configuration(address: str) -> None:
    """Section 5.2: bConfigurationValue of the active one."""
    async with attachment(address, DISK) as (device, configuration):
        name = await find_gadget(device.client, DISK)
        infos = {info.instance_id: info for info in await device.client.enumerate()}
        expect("5.2", "current_configuration", configuration.value, infos[name].current_configuration)


@suite.check("a reset is answered although a UrbRequest came behind it")
async def check_reset_race(address: str) -> None:
    """Section 5.9: every URB of the device ends."""
    async with strange_configured(address, KEYBOARD) as (stranger, handle):
        waiting = UrbRequest(handle, IN | 1, TransferType.INTERRUPT, 8, interval=10).encode()
        stranger.send(MessageType.URB_REQUEST, 10, waiting)
        stranger.send_bytes(
            Frame(MessageType.DEVICE_RESET, 11, DeviceRequest(handle).encode()).encode()
            + Frame(MessageType.URB_REQUEST, 12, waiting).encode()
        )
        kinds = {frame.kind for frame in await stranger.read_all(RESET_PATIENCE)}
        expect("5.9", "an answer", True, MessageType.DEVICE_RESET in kinds)


@suite.check("error_count counts the packets of a URB that fails as a whole")
async def check_error_count(address: str) -> None:
    """Section 5.7: packets whose status is not OK; a client must not believe another number."""
    async with attachment(address, ZERO) as (device, configuration):
        interface, source = configuration.find(TransferType.ISOCHRONOUS, True)
        await set_alternate(device, interface.number, interface.alternate)
        packets = (PacketRange(0, 4), PacketRange(2, 4))
        urb = device.submit(source.address, TransferType.ISOCHRONOUS, 8, interval=1, packets=packets)
        try:
            response = await urb.wait()
        except BadField as violation:
            device.gone = Status.DISCONNECTED
            raise Failure("5.7", "an error_count that is right", violation) from violation
        expect("5.6", "status of packets that overlap", "INVALID", status_name(response.status))


@suite.check("a request with the number 0 is refused")
async def check_number_zero(address: str) -> None:
    """Section 4: a number is not 0. No status is given."""
    stranger = await Stranger.greeted(address)
    stranger.send(MessageType.DEVICE_ENUMERATION, 0, bytes(4))
    answer = await stranger.read()
    stranger.close()
    expect("4", "type of the answer", "ERROR", answer.kind.name if answer else None)


@suite.check("nothing but a Hello is read before the host's Hello")
async def check_hasty_client(address: str) -> None:
    """Section 5.1: the client sends nothing more before the host's Hello has come. No status is given."""
    async with dialled(address) as stranger:
        hasty = Frame(MessageType.DEVICE_ENUMERATION, 1, bytes(4)).encode()
        stranger.send_bytes(hello_frame(Hello().encode()) + hasty)
        answer = await stranger.read()
        answer = await stranger.read()
        expect("5.1", "type of the answer", "ERROR", answer.kind.name if answer else None)


@suite.check("an endpoint works as soon as SET_CONFIGURATION has been sent")
async def check_pipelined_configuration(address: str) -> None:
    """Section 5.6 does not say whether a URB waits for a control URB before it."""
    async with strange_attachment(address, KEYBOARD) as (stranger, grant):
        setup = pack_setup(0, SET_CONFIGURATION, 1, 0, 0)
        configure = UrbRequest(grant.device, 0, TransferType.CONTROL, 0, setup=setup)
        waiting = UrbRequest(grant.device, IN | 1, TransferType.INTERRUPT, 8, interval=10)
        stranger.send_bytes(
            Frame(MessageType.URB_REQUEST, 10, configure.encode()).encode()
            + Frame(MessageType.URB_REQUEST, 11, waiting.encode()).encode()
        )
        answered = {frame.sequence for frame in await stranger.read_all(SETTLING)}
        expect("5.6", "numbers of the answers", {10}, answered)
