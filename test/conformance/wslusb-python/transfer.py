"""Transfers: checks of control, bulk, interrupt and isochronous URBs (sections 5.6 and 5.7)."""

from __future__ import annotations

import os

from bench import DISK, KEYBOARD, SERIAL, ZERO, attachment, expect_ok, set_alternate
from descriptor import Configuration, Endpoint
from device import Device
from disk import Disk
from status import Status
from suite import Suite, expect, expect_that
from urb import IN, PacketRange, TransferType, UrbFlags, pack_setup

BULK_SIZES = (1, 512, 65_536, 1_048_576)
"""Bytes of the transfers to and from zero."""

PATTERN_MODULUS = 63
DISK_SIZE = 8 * 1_048_576
GET_DESCRIPTOR = 6
CLEAR_FEATURE = 1
UNKNOWN_VENDOR_REQUEST = 0x77
ISOCHRONOUS_PACKETS = 8
suite = Suite()


class Pattern:
    """What zero sends and demands: zeros, or the position in each packet modulo 63."""

    def __init__(self, packet_size: int, modulus: int) -> None:
        self._packet_size = packet_size
        self._modulus = modulus

    @classmethod
    async def read_from(cls, device: Device, endpoint: Endpoint) -> Pattern:
        """Find out which one it is by reading two packets."""
        size = endpoint.max_packet_size
        response = await device.bulk_in(endpoint.address, 2 * size)
        expect_ok("5.7", response, 2 * size)
        for modulus in (1, PATTERN_MODULUS):
            pattern = cls(size, modulus)
            if response.data == pattern.make(2 * size):
                return pattern
        raise AssertionError(f"zero sends neither zeros nor modulo {PATTERN_MODULUS}")

    def make(self, length: int) -> bytes:
        """Return so many bytes of the pattern."""
        packet = bytes(position % self._modulus for position in range(self._packet_size))
        return (packet * (length // self._packet_size + 1))[:length]


async def bulk_endpoints(device: Device, configuration: Configuration) -> tuple[Endpoint, Endpoint]:
    """Choose the first alternate setting with bulk endpoints; return IN and OUT."""
    interface, source = configuration.find(TransferType.BULK, True)
    sink = configuration.find(TransferType.BULK, False)[1]
    if interface.alternate:
        await set_alternate(device, interface.number, interface.alternate)
    return source, sink


@suite.check("descriptors given at attach are those that control transfers read")
async def check_descriptors(address: str) -> None:
    """Section 5.4: the descriptors are as GET_DESCRIPTOR sends them."""
    for gadget in (ZERO, KEYBOARD, DISK, SERIAL):
        async with attachment(address, gadget) as (device, _):
            given = list(device.split_descriptors())
            expect("5.4", "one configuration each,", given[0][17] + 1, len(given))
            read = await device.control_in(0x80, GET_DESCRIPTOR, 1 << 8, 0, 18)
            expect("5.4", f"device descriptor of {gadget}", given[0], read.data)
            for index, configuration in enumerate(given[1:]):
                read = await device.control_in(0x80, GET_DESCRIPTOR, 2 << 8 | index, 0, len(configuration))
                expect("5.4", f"configuration {index} of {gadget}", configuration, read.data)


for size in BULK_SIZES:

    @suite.check(f"bulk OUT and IN of {size} bytes on zero")
    async def check_bulk(address: str, size: int = size) -> None:
        """Sections 5.6 and 5.7: all bytes move, in as many frames as they need."""
        async with attachment(address, ZERO) as (device, configuration):
            source, sink = await bulk_endpoints(device, configuration)
            pattern = await Pattern.read_from(device, source)
            expect_ok("5.7", await device.bulk_out(sink.address, pattern.make(size)), size)
            response = await device.bulk_in(source.address, size)
            expect_ok("5.7", response, size)
            expect("5.7", "IN data", pattern.make(size), response.data)
            expect_ok("5.7", await device.bulk_out(sink.address, pattern.make(size)), size)


@suite.check("wrong data halts zero until CLEAR_FEATURE")
async def check_halt(address: str) -> None:
    """Section 5.6: CLEAR_FEATURE is an ordinary control URB."""
    async with attachment(address, ZERO) as (device, configuration):
        source, sink = await bulk_endpoints(device, configuration)
        pattern = await Pattern.read_from(device, source)
        await device.bulk_out(sink.address, b"\xff" * 5)
        expect("6", "status", Status.STALL, (await device.bulk_out(sink.address, pattern.make(5))).status)
        expect_ok("5.6", await device.control_out(2, CLEAR_FEATURE, 0, sink.address), 0)
        expect_ok("5.7", await device.bulk_out(sink.address, pattern.make(5)), 5)


@suite.check("isochronous IN and OUT on zero")
async def check_isochronous(address: str) -> None:
    """Sections 5.6 and 5.7: a packet table each way; IN data has no gaps."""
    async with attachment(address, ZERO) as (device, configuration):
        interface, source = configuration.find(TransferType.ISOCHRONOUS, True)
        sink = configuration.find(TransferType.ISOCHRONOUS, False)[1]
        await set_alternate(device, interface.number, interface.alternate)
        lengths = [64] * ISOCHRONOUS_PACKETS
        interval = 1 << (source.interval - 1)
        response = await device.isochronous_in(source.address, lengths, interval)
        expect("5.7", "status", Status.OK, response.status)
        expect("5.7", "IN data has the bytes of all packets,", response.transferred_length, len(response.data))
        packets = [bytes(position % PATTERN_MODULUS for position in range(64))] * ISOCHRONOUS_PACKETS
        if not any(response.data):
            packets = [bytes(64)] * ISOCHRONOUS_PACKETS
        response = await device.isochronous_out(sink.address, packets, interval)
        expect("5.7", "status", Status.OK, response.status)
        expect("5.7", "packets", ISOCHRONOUS_PACKETS, len(response.packets))


@suite.check("every packet of an isochronous URB that fails as a whole counts in error_count")
async def check_error_count(address: str) -> None:
    """Section 5.7; what is decoded is measured against it."""
    async with attachment(address, ZERO) as (device, configuration):
        interface, source = configuration.find(TransferType.ISOCHRONOUS, True)
        await set_alternate(device, interface.number, interface.alternate)
        packets = (PacketRange(0, 4), PacketRange(2, 4))
        for endpoint, status in ((source.address, Status.INVALID), (IN | 15, Status.STALL)):
            urb = device.submit(endpoint, TransferType.ISOCHRONOUS, 8, interval=1, packets=packets)
            response = await urb.wait()
            expect("5.6", "status", status, response.status)
            expect("5.7", "error_count", len(packets), response.error_count)
            ends = {(packet.actual_length, packet.status) for packet in response.packets}
            expect("5.7", "packets", {(0, Status.NOT_DONE)}, ends)


@suite.check("requests that make no sense are answered, not punished")
async def check_nonsense(address: str) -> None:
    """Section 5.6, last paragraph."""
    async with attachment(address, ZERO) as (device, configuration):
        source, _ = await bulk_endpoints(device, configuration)
        absent = await device.bulk_in(IN | 15, 8)
        expect("5.6", "status of an endpoint that is not there", Status.STALL, absent.status)
        mistyped = await device.submit(source.address, TransferType.INTERRUPT, 8, interval=8).wait()
        expect("5.6", "status of a wrong type", Status.INVALID, mistyped.status)
        setup = pack_setup(0x80, GET_DESCRIPTOR, 1 << 8, 0, 18)
        turned = await device.submit(0, TransferType.CONTROL, 18, bytes(18), setup=setup).wait()
        expect("5.6", "status of a wrong direction", Status.INVALID, turned.status)


@suite.check("an unknown control request stalls")
async def check_stall(address: str) -> None:
    """Section 6: STALL, if the control request is not known; the next one works."""
    async with attachment(address, KEYBOARD) as (device, _):
        response = await device.control_in(0xC0, UNKNOWN_VENDOR_REQUEST, 0, 0, 8)
        expect("6", "status", Status.STALL, response.status)
        expect("5.7", "transferred_length", 0, response.transferred_length)
        expect_ok("5.7", await device.control_in(0x80, GET_DESCRIPTOR, 1 << 8, 0, 18), 18)


@suite.check("SCSI INQUIRY, READ CAPACITY, WRITE(10) and READ(10) on the disk")
async def check_disk(address: str) -> None:
    """Sections 5.6 and 5.7: what is written comes back, also 1 MiB of it at a time."""
    async with attachment(address, DISK) as (device, configuration):
        disk = Disk(device, configuration)
        expect("5.7", "peripheral type", 0, (await disk.inquire())[0])
        expect_that("5.7", "a unit that is ready", await disk.is_ready() or await disk.is_ready(), "not ready")
        capacity = await disk.read_capacity()
        expect("5.7", "bytes of the disk", DISK_SIZE, capacity.blocks * capacity.block_size)
        for block, count in ((0, 1), (capacity.blocks - 1, 1), (100, 2048)):
            data = os.urandom(count * capacity.block_size)
            await disk.write(block, data, capacity.block_size)
            came = await disk.read(block, count, capacity.block_size)
            expect("5.7", f"{count} blocks that were written", data, came)
        expect("5.7", "status of an unknown command", 1, await disk.unknown_command())


@suite.check("the serial port echoes; SHORT with SHORT_NOT_OK")
async def check_serial(address: str) -> None:
    """Section 5.6: SHORT_NOT_OK ends a URB with SHORT, and its bytes are sent."""
    async with attachment(address, SERIAL) as (device, configuration):
        source, sink = await bulk_endpoints(device, configuration)
        text = b"the quick brown fox"
        expect_ok("5.7", await device.bulk_out(sink.address, text), len(text))
        response = await device.bulk_in(source.address, 512)
        expect_ok("5.7", response, len(text))
        expect("5.7", "echo", text, response.data)
        expect_ok("5.7", await device.bulk_out(sink.address, text), len(text))
        response = await device.bulk_in(source.address, 512, UrbFlags.SHORT_NOT_OK)
        expect("5.6", "status", Status.SHORT, response.status)
        expect("5.7", "echo", text, response.data)
