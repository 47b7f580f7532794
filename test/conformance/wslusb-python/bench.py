"""Bench: the gadgets that the checks need, found among what a host has, attached and configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attachment import AttachGrant, AttachRequest, decode_attach_answer
from client import DEFAULT_HELLO, Client
from descriptor import Configuration
from device import AttachError, Device
from frame import MessageType
from inventory import DeviceInfo
from session import Hello
from status import Status
from stranger import Stranger
from suite import expect
from urb import TransferType, UrbRequest, UrbResponse, pack_setup

ZERO = "zero"
KEYBOARD = "keyboard"
DISK = "disk"
SERIAL = "serial"
ZERO_IDS = (0x0525, 0xA4A0)
CLASS_CODES = {KEYBOARD: (3, 1, 1), DISK: (8, 6, 0x50), SERIAL: (2, 2, 1)}
"""Class, subclass and protocol of the first interface of each gadget but zero."""

TRIES = 40
PAUSE = 0.05
"""Seconds between two tries to attach a device that is BUSY."""

SET_CONFIGURATION = 9
SET_INTERFACE = 11


def is_gadget(info: DeviceInfo, gadget: str) -> bool:
    """Whether a device is a gadget of this kind."""
    if gadget == ZERO:
        return (info.vid, info.pid) == ZERO_IDS
    first = info.interfaces[0] if info.interfaces else None
    codes = (first.interface_class, first.subclass, first.protocol) if first else None
    return codes == CLASS_CODES[gadget]


async def find_gadget(client: Client, gadget: str) -> str:
    """Return the instance_id of the first gadget of a kind."""
    for info in await client.enumerate():
        if is_gadget(info, gadget):
            return info.instance_id
    raise LookupError(f"the host has no gadget {gadget}")


@asynccontextmanager
async def connection(address: str, hello: Hello = DEFAULT_HELLO) -> AsyncIterator[Client]:
    """A client that is closed at the end."""
    client = await Client.connect(address, hello)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def attachment(
    address: str, gadget: str, hello: Hello = DEFAULT_HELLO
) -> AsyncIterator[tuple[Device, Configuration]]:
    """A gadget that has its first configuration, on a connection of its own, and is detached at the end."""
    async with connection(address, hello) as client:
        device = await take(client, gadget)
        yield device, await configure(device)
        if device.gone is None:
            await device.detach()


async def take(client: Client, gadget: str) -> Device:
    """Attach a gadget; wait while an earlier connection that has ended still has it (section 7)."""
    instance_id = await find_gadget(client, gadget)
    for _ in range(TRIES):
        try:
            return await client.attach(instance_id)
        except AttachError as refusal:
            if refusal.status != Status.BUSY:
                raise
            await asyncio.sleep(PAUSE)
    return await client.attach(instance_id)


@asynccontextmanager
async def strange_attachment(address: str, gadget: str) -> AsyncIterator[tuple[Stranger, AttachGrant]]:
    """A gadget that a stranger has attached and not configured; number 1 has been used for it."""
    async with connection(address) as client:
        instance_id = await find_gadget(client, gadget)
    stranger = await Stranger.greeted(address)
    try:
        for _ in range(TRIES):
            stranger.send(MessageType.DEVICE_ATTACH, 1, AttachRequest(instance_id).encode())
            answer = decode_attach_answer((await stranger.expect(MessageType.DEVICE_ATTACH)).payload)
            if isinstance(answer, AttachGrant):
                yield stranger, answer
                return
            await asyncio.sleep(PAUSE)
        raise LookupError(f"{gadget} stays BUSY")
    finally:
        stranger.close()


@asynccontextmanager
async def strange_configured(address: str, gadget: str) -> AsyncIterator[tuple[Stranger, int]]:
    """A stranger's gadget with its first configuration, and the handle; numbers 1 and 2 have been used."""
    async with strange_attachment(address, gadget) as (stranger, grant):
        configuration = Configuration.decode(grant.descriptors[18:])
        setup = pack_setup(0, SET_CONFIGURATION, configuration.value, 0, 0)
        request = UrbRequest(grant.device, 0, TransferType.CONTROL, 0, setup=setup)
        stranger.send(MessageType.URB_REQUEST, 2, request.encode())
        await stranger.expect(MessageType.URB_RESPONSE)
        yield stranger, grant.device


async def configure(device: Device) -> Configuration:
    """Set the first configuration of a device."""
    _, first, *_ = device.split_descriptors()
    configuration = Configuration.decode(first)
    expect_ok("5.6", await device.control_out(0, SET_CONFIGURATION, configuration.value, 0))
    return configuration


async def set_alternate(device: Device, interface: int, alternate: int) -> None:
    """Choose an alternate setting of an interface."""
    expect_ok("5.6", await device.control_out(1, SET_INTERFACE, alternate, interface))


def expect_ok(section: str, response: UrbResponse, length: int | None = None) -> None:
    """Expect a transfer to have gone well, and to have moved so many bytes."""
    expect(section, "status", 0, response.status)
    if length is not None:
        expect(section, "transferred_length", length, response.transferred_length)
