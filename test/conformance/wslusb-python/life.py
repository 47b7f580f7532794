"""Life: checks of what becomes of connections and devices (sections 5.2 to 5.5, 5.8 to 5.10 and 7)."""

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
    configure,
    connection,
    find_gadget,
    is_gadget,
    strange_attachment,
    strange_configured,
    take,
)
from client import Client
from descriptor import Configuration
from device import AttachError, Device, Urb
from disk import Disk
from frame import Flags, Frame, MessageType
from inventory import DeviceEvent, EnumerationFlags, EventKind
from session import Credit, Error, KeepAlive
from status import Status
from stranger import Stranger
from suite import Failure, Suite, expect, expect_that
from transfer import bulk_endpoints
from urb import IN, TransferType, UrbRequest, pack_setup

REPORT_SIZE = 8
"""Bytes of the report of a boot keyboard."""

SILENCE = 10.0
"""Seconds after which usbferry takes a silent peer for dead; it asks after a third of them (section 5.10)."""

EVENT_PATIENCE = 3.0
"""Seconds that a check waits for an event."""

URB_RESPONSE = MessageType.URB_RESPONSE
GET_DEVICE_DESCRIPTOR = pack_setup(0x80, 6, 1 << 8, 0, 18)
suite = Suite()


def wait_for_key(device: Device, configuration: Configuration) -> Urb:
    """Submit an interrupt IN that stays pending while no key is pressed."""
    endpoint = configuration.find(TransferType.INTERRUPT, True)[1]
    return device.submit(endpoint.address, TransferType.INTERRUPT, REPORT_SIZE, interval=endpoint.interval)


async def refused_status(client: Client, instance_id: str) -> int:
    """Return the status with which a DeviceAttach is refused."""
    try:
        await client.attach(instance_id)
    except AttachError as refusal:
        expect_that("5.4", "a message for people", str(refusal) != "", "none")
        return refusal.status
    raise Failure("5.4", "a refusal", "a device")


@suite.check("enumeration lists the four gadgets, and agrees with their descriptors")
async def check_enumeration(address: str) -> None:
    """Section 5.2."""
    async with connection(address) as client:
        devices = await client.enumerate()
        expect("5.2", "different names", len(devices), len({info.instance_id for info in devices}))
        for gadget in (ZERO, KEYBOARD, DISK, SERIAL):
            infos = [info for info in devices if is_gadget(info, gadget)]
            expect_that("5.2", f"a {gadget}", bool(infos), devices)
            info = infos[0]
            device = await take(client, gadget)
            first, *configurations = device.split_descriptors()
            ids = tuple(int.from_bytes(first[at : at + 2], "little") for at in (8, 10, 12))
            expect("5.2", "vid, pid, bcdDevice", ids, (info.vid, info.pid, info.bcd_device))
            expect("5.2", "class codes", tuple(first[4:7]), (info.device_class, info.subclass, info.protocol))
            expect("5.2", "configuration_count", len(configurations), info.configuration_count)
            expect("5.4", "speed", info.speed, device.speed)
            interfaces = [it for it in Configuration.decode(configurations[0]).interfaces if it.alternate == 0]
            classes = [interface.interface_class for interface in interfaces]
            expect("5.2", "interfaces", classes, [it.interface_class for it in info.interfaces])


@suite.check("attach is refused with NOT_FOUND and BUSY")
async def check_refused_attach(address: str) -> None:
    """Section 5.4."""
    async with connection(address) as other, attachment(address, ZERO) as (device, _):
        zero = await find_gadget(other, ZERO)
        expect("5.4", "status of no device", Status.NOT_FOUND, await refused_status(other, "no-such-device"))
        expect("7", "status on another connection", Status.BUSY, await refused_status(other, zero))
        expect("7", "status on its own connection", Status.BUSY, await refused_status(device.client, zero))


@suite.check("detach and re-attach: a larger handle, and the old one is passed over")
async def check_reattach(address: str) -> None:
    """Sections 5.4 and 5.5."""
    async with connection(address) as client:
        old = await take(client, KEYBOARD)
        pending = wait_for_key(old, await configure(old))
        await client.keep_alive()
        expect("5.5", "status", Status.OK, await old.detach())
        expect("5.5", "status of its URB", Status.DISCONNECTED, (await pending.wait()).status)
        new = await take(client, KEYBOARD)
        expect_that("5.4", f"a handle above {old.handle}", new.handle > old.handle, new.handle)
        expect("5.5", "status of a second detach", Status.DISCONNECTED, await client.detach(old))
        expect("5.4", "status of a reset", Status.DISCONNECTED, await client.reset(old))
        expect("5.8", "status of a cancel", Status.NOT_FOUND, await client.cancel(pending))


@suite.check("a UrbRequest and a Credit for a device that is gone are passed over")
async def check_gone(address: str) -> None:
    """Section 5.4: a UrbRequest is not answered at all."""
    async with strange_attachment(address, KEYBOARD) as (stranger, grant):
        stranger.send(MessageType.DEVICE_DETACH, 2, DeviceRequest(grant.device).encode())
        await stranger.expect(MessageType.DEVICE_DETACH)
        request = UrbRequest(grant.device, IN, TransferType.CONTROL, 18, setup=GET_DEVICE_DESCRIPTOR)
        stranger.send(MessageType.URB_REQUEST, 3, request.encode())
        stranger.send(MessageType.CREDIT, 0, Credit(grant.device, 1_000).encode())
        stranger.send(MessageType.KEEP_ALIVE, 9, KeepAlive(0).encode())
        expected = Frame(MessageType.KEEP_ALIVE, 9, KeepAlive(1).encode())
        expect("5.4", "nothing but", expected, await stranger.read())


@suite.check("cancel of a pending interrupt IN is answered, and ends it as CANCELLED")
async def check_cancel(address: str) -> None:
    """Section 5.8."""
    async with attachment(address, KEYBOARD) as (device, configuration):
        urb = wait_for_key(device, configuration)
        await device.client.keep_alive()
        expect("5.8", "status of the UrbCancel", Status.OK, await urb.cancel())
        response = await urb.wait()
        expect("5.8", "status of the URB", Status.CANCELLED, response.status)
        expect("5.7", "transferred_length", 0, response.transferred_length)
        expect("5.8", "status of a UrbCancel behind it", Status.NOT_FOUND, await device.client.cancel(urb))


@suite.check("a reset is answered although a UrbRequest came behind it, which ends as CANCELLED")
async def check_reset_race(address: str) -> None:
    """Section 5.9."""
    async with strange_configured(address, KEYBOARD) as (stranger, handle):
        waiting = UrbRequest(handle, IN | 1, TransferType.INTERRUPT, REPORT_SIZE, interval=10).encode()
        stranger.send_bytes(
            Frame(MessageType.URB_REQUEST, 10, waiting).encode()
            + Frame(MessageType.DEVICE_RESET, 11, DeviceRequest(handle).encode()).encode()
            + Frame(MessageType.URB_REQUEST, 12, waiting).encode()
        )
        frames = [await stranger.read() for _ in range(3)]
        ends = {frame.sequence: frame.payload[:4] for frame in frames if frame and frame.kind is URB_RESPONSE}
        cancelled = int(Status.CANCELLED).to_bytes(4, "little")
        expect("5.9", "URBs", {10: cancelled, 12: cancelled}, ends)
        expect("5.9", "an answer", True, any(frame and frame.sequence == 11 for frame in frames))


@suite.check("URBs of different endpoints are answered in any order, also behind a SET_CONFIGURATION")
async def check_pipelined_configuration(address: str) -> None:
    """Section 5.6: the interrupt IN may find the endpoints of before, and nobody is sent away."""
    async with strange_attachment(address, KEYBOARD) as (stranger, grant):
        setup = pack_setup(0, SET_CONFIGURATION, 1, 0, 0)
        configure = UrbRequest(grant.device, 0, TransferType.CONTROL, 0, setup=setup)
        waiting = UrbRequest(grant.device, IN | 1, TransferType.INTERRUPT, REPORT_SIZE, interval=10)
        stranger.send_bytes(
            Frame(MessageType.URB_REQUEST, 10, configure.encode()).encode()
            + Frame(MessageType.URB_REQUEST, 11, waiting.encode()).encode()
        )
        answered = [(await stranger.expect(URB_RESPONSE)).sequence]
        if answered == [11]:
            answered.append((await stranger.expect(URB_RESPONSE)).sequence)
        expect("5.6", "the last answer", 10, answered[-1])


@suite.check("reset ends URBs as CANCELLED, and leaves the device unconfigured")
async def check_reset(address: str) -> None:
    """Section 5.9."""
    async with attachment(address, KEYBOARD) as (device, configuration):
        urb = wait_for_key(device, configuration)
        await device.client.keep_alive()
        expect("5.9", "status", Status.OK, await device.reset())
        expect("5.9", "status of its URB", Status.CANCELLED, (await urb.wait()).status)
        stalled = await wait_for_key(device, configuration).wait()
        expect("5.6", "status of an endpoint that is not configured", Status.STALL, stalled.status)
        urb = wait_for_key(device, await configure(device))
        await device.client.keep_alive()
        expect("5.6", "a pending URB", False, urb.done)


@suite.check("two devices at once do not hold each other up")
async def check_two_devices(address: str) -> None:
    """Section 8."""
    async with connection(address) as client:
        zero = await take(client, ZERO)
        stick = await take(client, DISK)
        source, _ = await bulk_endpoints(zero, await configure(zero))
        disk = Disk(stick, await configure(stick))
        await disk.is_ready()
        reads = [zero.submit(source.address, TransferType.BULK, 1_048_576) for _ in range(8)]
        await disk.write(0, bytes(range(256)) * 512, 512)
        data = await disk.read(0, 256, 512)
        expect("5.7", "what the disk has", bytes(range(256)) * 512, data)
        responses = [await urb.wait() for urb in reads]
        lengths = {(response.status, len(response.data)) for response in responses}
        expect("5.7", "status and bytes of zero", {(Status.OK, 1_048_576)}, lengths)


async def next_event(client: Client, instance_id: str) -> DeviceEvent:
    """Return the next event of a device, and pass over those of others."""
    while True:
        event = await asyncio.wait_for(client.events.get(), EVENT_PATIENCE)
        if event.info.instance_id == instance_id:
            return event


@suite.check("events tell a subscriber of attach and detach; others hear nothing")
async def check_events(address: str) -> None:
    """Section 5.3: CHANGED if is_attached is different."""
    async with connection(address) as subscriber, connection(address) as other:
        await subscriber.enumerate(subscribe=True)
        await other.enumerate()
        async with attachment(address, SERIAL) as (device, configuration):
            name = await find_gadget(device.client, SERIAL)
            expected = [(1, 0), (1, configuration.value), (0, 0)]
            seen = [await next_event(subscriber, name)]
            while seen[-1].info.current_configuration != configuration.value:
                seen.append(await next_event(subscriber, name))
            infos = {info.instance_id: info for info in await device.client.enumerate()}
            expect("5.2", "current_configuration", configuration.value, infos[name].current_configuration)
            await device.detach()
            while seen[-1].info.is_attached:
                seen.append(await next_event(subscriber, name))
            expect("5.3", "kinds of events", {EventKind.CHANGED}, {event.kind for event in seen})
            states = [(event.info.is_attached, event.info.current_configuration) for event in seen]
            expect_that("5.3", f"{expected}, or some of them as one", set(states) <= set(expected), states)
        await other.keep_alive()
        expect("5.3", "events of who has not asked", 0, other.events.qsize())


@suite.check("the end of a connection gives its devices back")
async def check_end(address: str) -> None:
    """Section 2."""
    async with connection(address) as client:
        await take(client, DISK)
    async with connection(address) as client:
        await take(client, DISK)


@suite.check("keep-alive is answered with its number, also in two frames, among others, and with an empty last frame")
async def check_keep_alive(address: str) -> None:
    """Section 5.10; what an answer answers is not checked."""
    stranger = await Stranger.greeted(address)
    stranger.send(MessageType.KEEP_ALIVE, 41, bytes(3), Flags.MORE)
    stranger.send(MessageType.KEEP_ALIVE, 42, KeepAlive(1).encode())
    stranger.send(MessageType.KEEP_ALIVE, 43, KeepAlive(0).encode())
    stranger.send(MessageType.KEEP_ALIVE, 41, bytes(1))
    stranger.send(MessageType.KEEP_ALIVE, 44, KeepAlive(0).encode(), Flags.MORE)
    stranger.send(MessageType.KEEP_ALIVE, 44)
    answers = [await stranger.read() for _ in range(3)]
    stranger.close()
    came = [(answer.sequence, KeepAlive.decode(answer.payload).answer) for answer in answers if answer]
    expect("5.10", "answers", [(43, 1), (41, 1), (44, 1)], came)


@suite.check("the host asks a silent client, and ends with PEER_SILENT", in_background=True)
async def check_peer_silent(address: str) -> None:
    """Section 5.10: it asks after 3.3 s, and ends after 10 s."""
    stranger = await Stranger.greeted(address)
    stranger.send(MessageType.DEVICE_ENUMERATION, 1, bytes((EnumerationFlags.SUBSCRIBE, 0, 0, 0)))
    await stranger.expect(MessageType.KEEP_ALIVE, SILENCE / 2)
    error = Error.decode((await stranger.expect_error(SILENCE + 2)).payload)
    stranger.close()
    expect("5.10", "status", Status.PEER_SILENT, error.status)
