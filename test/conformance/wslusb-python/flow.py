"""Flow: checks of credit, limits, the order of responses, and messages in several frames (sections 3, 8 and 9)."""

from __future__ import annotations

import asyncio

from bench import KEYBOARD, SERIAL, ZERO, attachment, expect_ok, strange_configured
from frame import MAX_PAYLOAD, Flags, Frame, MessageType
from life import wait_for_key
from session import MAX_TRANSFER_LENGTH, MIN_CREDIT, Error, Hello, KeepAlive
from status import Status, status_name
from suite import Failure, Suite, expect, expect_that
from transfer import Pattern, bulk_endpoints
from urb import TransferType, UrbRequest, UrbResponse

MEGABYTE = 1_048_576
FRAME_WAIT = 16_384
"""Bytes for which a sender may wait: a quarter of 65,536 (section 9)."""

SETTLING = 0.3
"""Seconds after which nothing more is on its way."""

BULK = TransferType.BULK
suite = Suite()


@suite.check("the host sends no more than the credit, and goes on with more of it")
async def check_host_honours_credit(address: str) -> None:
    """Section 9; a control transfer costs nothing, and passes meanwhile."""
    async with attachment(address, ZERO, Hello(credit=MIN_CREDIT)) as (device, configuration):
        source, _ = await bulk_endpoints(device, configuration)
        device.ledger.held = True
        urb = device.submit(source.address, BULK, MEGABYTE)
        await asyncio.sleep(SETTLING)
        spent = device.ledger.spent
        expect_that("9", f"at most {MIN_CREDIT} bytes", spent <= MIN_CREDIT, spent)
        expect_that("9", f"more than {MIN_CREDIT - FRAME_WAIT} bytes", spent > MIN_CREDIT - FRAME_WAIT, spent)
        expect("9", "an unfinished URB", False, urb.done)
        expect_ok("9", await device.control_in(0x80, 6, 1 << 8, 0, 18), 18)
        device.ledger.held = False
        device.client.give_back(device)
        expect_ok("9", await urb.wait(), MEGABYTE)


@suite.check("a cancelled response without data passes an empty account")
async def check_free_cancel(address: str) -> None:
    """Section 9: CANCELLED with a transferred_length of 0 costs nothing."""
    async with attachment(address, SERIAL, Hello(credit=MIN_CREDIT)) as (device, configuration):
        source, sink = await bulk_endpoints(device, configuration)
        device.ledger.held = True
        chunk = bytes(FRAME_WAIT)
        while device.ledger.spent + FRAME_WAIT <= MIN_CREDIT:
            expect_ok("5.7", await device.bulk_out(sink.address, chunk), FRAME_WAIT)
            await device.bulk_in(source.address, FRAME_WAIT)
        pending = device.submit(source.address, BULK, FRAME_WAIT)
        await device.client.keep_alive()
        expect("5.8", "status of the UrbCancel", Status.OK, await pending.cancel())
        expect("9", "status", Status.CANCELLED, (await pending.wait()).status)


@suite.check("the host gives credit back before the client has to wait for ever")
async def check_host_gives_back(address: str) -> None:
    """Section 9: at the latest when half of its credit has been read."""
    async with attachment(address, ZERO) as (device, configuration):
        source, sink = await bulk_endpoints(device, configuration)
        pattern = await Pattern.read_from(device, source)
        credit = device.client.host_hello.credit
        expect_ok("9", await device.bulk_out(sink.address, pattern.make(4 * credit)), 4 * credit)
        await device.client.keep_alive()
        expect_that("9", f"more than half of {credit} left", device.purse.left > credit // 2, device.purse.left)


@suite.check("a client that ignores the credit gets FLOOD, or all that it asked for")
async def check_client_breaks_credit(address: str) -> None:
    """Section 9: a host that gives back as soon as it reads has nothing to complain of."""
    async with strange_configured(address, ZERO) as (stranger, handle):
        request = UrbRequest(handle, 1, BULK, MEGABYTE, bytes(MEGABYTE)).encode()
        for offset in range(0, len(request), MAX_PAYLOAD):
            part = request[offset : offset + MAX_PAYLOAD]
            more = Flags.MORE if offset + len(part) < len(request) else Flags.NONE
            stranger.send(MessageType.URB_REQUEST, 9, part, more)
        while (frame := await stranger.read()) is not None and frame.kind is MessageType.CREDIT:
            continue
    if frame is None or frame.kind not in (MessageType.URB_RESPONSE, MessageType.ERROR):
        raise Failure("9", "a UrbResponse or an Error", frame)
    if frame.kind is MessageType.ERROR:
        expect("9", "status", "FLOOD", status_name(Error.decode(frame.payload).status))


@suite.check("a UrbRequest in two frames with a question between them")
async def check_cut(address: str) -> None:
    """Section 10, second example: the host carries it out when the last frame has come."""
    async with strange_configured(address, ZERO) as (stranger, handle):
        payload = UrbRequest(handle, 1, BULK, 5, bytes(5)).encode()
        stranger.send(MessageType.URB_REQUEST, 11, payload[:44], Flags.MORE)
        stranger.send(MessageType.KEEP_ALIVE, 2, KeepAlive(0).encode())
        answer = await stranger.read()
        stranger.send(MessageType.URB_REQUEST, 11, payload[44:])
        response = await stranger.read()
    expect("10", "KeepAlive", Frame(MessageType.KEEP_ALIVE, 2, KeepAlive(1).encode()), answer)
    expected = Frame(MessageType.URB_RESPONSE, 11, UrbResponse(Status.OK, 5).encode())
    expect("10", "UrbResponse", expected, response)


@suite.check("a UrbRequest that is abandoned half way is not answered")
async def check_abandoned(address: str) -> None:
    """Section 5.8, last but one paragraph."""
    async with attachment(address, ZERO) as (device, configuration):
        source, sink = await bulk_endpoints(device, configuration)
        pattern = await Pattern.read_from(device, source)
        urb = device.submit(sink.address, BULK, 8 * MEGABYTE, pattern.make(8 * MEGABYTE))
        while urb.parcel.sent == 0:
            await asyncio.sleep(0)
        expect_that("3", "a request that is not sent whole", not urb.sent, "it was too fast")
        expect("5.8", "status", Status.OK, await urb.cancel())
        expect_ok("5.7", await device.bulk_out(sink.address, pattern.make(5)), 5)


@suite.check("responses of an endpoint come in the order of their requests")
async def check_order(address: str) -> None:
    """Section 8, last sentence."""
    async with attachment(address, ZERO) as (device, configuration):
        source, _ = await bulk_endpoints(device, configuration)
        ended: list[int] = []

        async def follow(number: int) -> None:
            length = 512 * (16 - number)
            expect_ok("5.7", await device.submit(source.address, BULK, length).wait(), length)
            ended.append(number)

        await asyncio.gather(*(follow(number) for number in range(16)))
        expect("8", "order", list(range(16)), ended)


@suite.check("URBs may have together as many bytes as the Hello promises, and not one more")
async def check_bytes_limit(address: str) -> None:
    """Section 5.1: a URB counts with its transfer_buffer_length."""
    async with attachment(address, SERIAL) as (device, configuration):
        endpoint = configuration.find(BULK, True)[1].address
        sizes = (MAX_TRANSFER_LENGTH, 65_536, 65_535, 4_097, 1)
        left = device.client.host_hello.flight_bytes - sum(sizes)
        full, rest = divmod(left, MAX_TRANSFER_LENGTH)
        lengths = [*sizes, *[MAX_TRANSFER_LENGTH] * full, rest]
        urbs = [device.submit(endpoint, BULK, length) for length in lengths]
        beyond = await device.submit(endpoint, BULK, 1).wait()
        expect("5.1", "status", Status.NO_MEMORY, beyond.status)
        expect("5.1", "URBs in flight", len(urbs), sum(not urb.done for urb in urbs))


@suite.check("one URB more than the Hello promises gets NO_MEMORY")
async def check_urb_limit(address: str) -> None:
    """Section 5.1: a client that goes beyond is not sent away."""
    async with attachment(address, KEYBOARD) as (device, configuration):
        limit = device.client.host_hello.urbs
        urbs = [wait_for_key(device, configuration) for _ in range(limit + 1)]
        response = await urbs[-1].wait()
        expect("5.1", "status", Status.NO_MEMORY, response.status)
        expect("5.1", "URBs in flight", limit, sum(not urb.done for urb in urbs))
