"""Disk: SCSI commands to a stick, by the bulk-only transport of USB mass storage."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from descriptor import Configuration
from device import Device
from suite import Failure
from urb import TransferType

COMMAND_SIGNATURE = b"USBC"
STATUS_SIGNATURE = b"USBS"
STATUS_LENGTH = 13
READ_DIRECTION = 0x80


@dataclass(frozen=True)
class Capacity:
    """What READ CAPACITY(10) tells: how many blocks there are, and the bytes of each."""

    blocks: int
    block_size: int


class Disk:
    """A configured mass storage device."""

    def __init__(self, device: Device, configuration: Configuration) -> None:
        self._device = device
        self._in = configuration.find(TransferType.BULK, True)[1].address
        self._out = configuration.find(TransferType.BULK, False)[1].address
        self._tag = 0

    async def inquire(self) -> bytes:
        """Return the 36 bytes of a standard INQUIRY."""
        return await self._read(struct.pack(">BBBHB", 0x12, 0, 0, 36, 0), 36)

    async def is_ready(self) -> bool:
        """Whether TEST UNIT READY succeeds."""
        return await self._no_data(bytes(6)) == 0

    async def read_capacity(self) -> Capacity:
        """Return what READ CAPACITY(10) tells."""
        last, size = struct.unpack(">2I", await self._read(bytes((0x25,)).ljust(10, b"\0"), 8))
        return Capacity(last + 1, size)

    async def read(self, block: int, count: int, block_size: int) -> bytes:
        """Read blocks with READ(10)."""
        return await self._read(struct.pack(">BBIBHB", 0x28, 0, block, 0, count, 0), count * block_size)

    async def write(self, block: int, data: bytes, block_size: int) -> None:
        """Write blocks with WRITE(10)."""
        command = struct.pack(">BBIBHB", 0x2A, 0, block, 0, len(data) // block_size, 0)
        await self._send(command, len(data), 0)
        await self._transfer_out(data)
        self._expect_passed(await self._status())

    async def unknown_command(self) -> int:
        """Send a command that does not exist; return its status byte, of which 1 is failed."""
        return await self._no_data(bytes((0xFF,)).ljust(6, b"\0"))

    async def _no_data(self, command: bytes) -> int:
        await self._send(command, 0, 0)
        return await self._status()

    async def _read(self, command: bytes, length: int) -> bytes:
        await self._send(command, length, READ_DIRECTION)
        response = await self._device.bulk_in(self._in, length)
        if response.status:
            raise Failure("5.7", "status 0 of the data stage", response)
        self._expect_passed(await self._status())
        return response.data

    async def _send(self, command: bytes, length: int, direction: int) -> None:
        self._tag += 1
        head = struct.pack("<4s2I3B", COMMAND_SIGNATURE, self._tag, length, direction, 0, len(command))
        await self._transfer_out(head + command.ljust(16, b"\0"))

    async def _transfer_out(self, data: bytes) -> None:
        response = await self._device.bulk_out(self._out, data)
        if (response.status, response.transferred_length) != (0, len(data)):
            raise Failure("5.7", f"status 0 and {len(data)} bytes", response)

    async def _status(self) -> int:
        response = await self._device.bulk_in(self._in, STATUS_LENGTH)
        if response.status or response.transferred_length != STATUS_LENGTH:
            raise Failure("5.7", "the 13 bytes of a command status wrapper", response)
        signature: bytes
        tag: int
        status: int
        signature, tag, _, status = struct.unpack("<4s2IB", response.data)
        if (signature, tag) != (STATUS_SIGNATURE, self._tag):
            raise Failure("5.7", f"{STATUS_SIGNATURE!r} with tag {self._tag}", response.data)
        return status

    @staticmethod
    def _expect_passed(status: int) -> None:
        if status:
            raise Failure("5.7", "a SCSI command that passes", f"status {status}")
