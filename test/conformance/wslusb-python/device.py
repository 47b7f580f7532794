"""Devices that a client has, and their URBs in flight (sections 5.4 to 5.9)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from account import Ledger, Purse
from attachment import AttachGrant, AttachRefusal
from frame import MessageType
from outbox import Parcel, Priority
from status import Status, device_status
from urb import (
    IN,
    PacketRange,
    TransferType,
    UrbFlags,
    UrbRequest,
    UrbResponse,
    pack_setup,
)

if TYPE_CHECKING:
    from client import Client

CANCEL_PATIENCE = 0.7
"""Seconds after which a cancelled URB is given back without its response (section 5.8)."""

TRANSFER_PATIENCE = 5.0
"""Seconds that the transfers of this module wait for their response."""

PRIORITIES = {
    TransferType.CONTROL: Priority.URGENT,
    TransferType.INTERRUPT: Priority.URGENT,
    TransferType.ISOCHRONOUS: Priority.ISOCHRONOUS,
    TransferType.BULK: Priority.BULK,
}
"""Priority of the UrbRequests of each transfer type (section 8)."""


class AttachError(Exception):
    """The host refused a DeviceAttach (section 5.4)."""

    def __init__(self, refusal: AttachRefusal) -> None:
        super().__init__(refusal.message)
        self.status = device_status(refusal.status)


class Urb:
    """A UrbRequest that waits for its UrbResponse."""

    def __init__(self, device: Device, sequence: int, request: UrbRequest) -> None:
        self.device = device
        self.sequence = sequence
        self.request = request
        self.free_response = False
        self.parcel = Parcel(
            MessageType.URB_REQUEST,
            sequence,
            request.encode(),
            device.handle,
            PRIORITIES[request.transfer_type],
            device.purse if request.costs else None,
        )
        self._response: asyncio.Future[UrbResponse] = asyncio.get_running_loop().create_future()

    @property
    def sent(self) -> bool:
        """Whether the request has left whole."""
        return self.parcel.rest == 0

    @property
    def done(self) -> bool:
        """Whether the URB is over."""
        return self._response.done()

    def end(self, response: UrbResponse) -> None:
        """End the URB, unless it has been given back already (section 5.8)."""
        if not self.done:
            self._response.set_result(response)

    def fail(self, reason: Exception) -> None:
        """End the URB because the connection is over."""
        if not self.done:
            self._response.set_exception(reason)
            self._response.exception()

    async def wait(self, patience: float = TRANSFER_PATIENCE) -> UrbResponse:
        """Return the response; give up after so many seconds, without a cancel."""
        return await asyncio.wait_for(asyncio.shield(self._response), patience)

    async def cancel(self) -> int:
        """End the URB early; return what the host says about it (section 5.8).

        A request that has not left whole is withdrawn instead, and the host hears of it at most by ABANDONED.
        """
        if self.device.client.withdraw(self):
            self.end(UrbResponse(Status.CANCELLED, 0))
            return Status.OK
        status = await self.device.client.cancel(self)
        await asyncio.wait({self._response}, timeout=CANCEL_PATIENCE)
        self.end(UrbResponse(Status.CANCELLED, 0))
        return status


class Device:
    """A device that is attached to this client (section 5.4)."""

    def __init__(self, client: Client, grant: AttachGrant, send_credit: int, receive_credit: int) -> None:
        self.client = client
        self.handle = grant.device
        self.speed = grant.speed
        self.current_configuration = grant.current_configuration
        self.descriptors = grant.descriptors
        self.purse = Purse(send_credit)
        self.ledger = Ledger(receive_credit)
        self.gone: int | None = None

    def split_descriptors(self) -> Iterator[bytes]:
        """Yield the device descriptor and each configuration with all that belongs to it (section 5.4)."""
        offset = 0
        while offset < len(self.descriptors):
            is_device = offset == 0
            size = 18 if is_device else int.from_bytes(self.descriptors[offset + 2 : offset + 4], "little")
            yield self.descriptors[offset : offset + size]
            offset += size

    def submit(
        self,
        endpoint: int,
        transfer_type: TransferType,
        length: int,
        data: bytes = b"",
        flags: int = UrbFlags.NONE,
        setup: bytes = bytes(8),
        interval: int = 0,
        packets: Sequence[PacketRange] = (),
    ) -> Urb:
        """Ask for a transfer; `length` is in bytes, `interval` in frames or microframes (section 5.6)."""
        request = UrbRequest(
            self.handle,
            endpoint,
            transfer_type,
            length,
            data,
            flags,
            setup,
            interval,
            packets=tuple(packets),
        )
        return self.client.submit(self, request)

    async def control_in(self, request_type: int, request: int, value: int, index: int, length: int) -> UrbResponse:
        """Carry out a control transfer that reads at most `length` bytes."""
        setup = pack_setup(request_type, request, value, index, length)
        return await self.submit(IN, TransferType.CONTROL, length, setup=setup).wait()

    async def control_out(
        self, request_type: int, request: int, value: int, index: int, data: bytes = b""
    ) -> UrbResponse:
        """Carry out a control transfer that writes `data`, or has no data stage."""
        setup = pack_setup(request_type, request, value, index, len(data))
        return await self.submit(0, TransferType.CONTROL, len(data), data, setup=setup).wait()

    async def bulk_out(self, endpoint: int, data: bytes, flags: int = UrbFlags.NONE) -> UrbResponse:
        """Write to a bulk endpoint."""
        return await self.submit(endpoint, TransferType.BULK, len(data), data, flags).wait()

    async def bulk_in(self, endpoint: int, length: int, flags: int = UrbFlags.NONE) -> UrbResponse:
        """Read at most `length` bytes from a bulk endpoint."""
        return await self.submit(endpoint, TransferType.BULK, length, flags=flags).wait()

    async def isochronous_in(self, endpoint: int, lengths: Sequence[int], interval: int) -> UrbResponse:
        """Read packets of at most these lengths, in bytes, as soon as the host can."""
        return await self.submit(
            endpoint,
            TransferType.ISOCHRONOUS,
            sum(lengths),
            flags=UrbFlags.ISO_ASAP,
            interval=interval,
            packets=lay_out(lengths),
        ).wait()

    async def isochronous_out(self, endpoint: int, packets: Sequence[bytes], interval: int) -> UrbResponse:
        """Write packets as soon as the host can."""
        return await self.submit(
            endpoint,
            TransferType.ISOCHRONOUS,
            sum(map(len, packets)),
            b"".join(packets),
            UrbFlags.ISO_ASAP,
            interval=interval,
            packets=lay_out([len(packet) for packet in packets]),
        ).wait()

    async def detach(self) -> int:
        """Give the device back (section 5.5)."""
        return await self.client.detach(self)

    async def reset(self) -> int:
        """Reset the device; it is unconfigured afterwards (section 5.9)."""
        return await self.client.reset(self)


def lay_out(lengths: Sequence[int]) -> list[PacketRange]:
    """Place packets of these lengths, in bytes, one behind the other without gaps (section 5.6)."""
    packets = []
    offset = 0
    for length in lengths:
        packets.append(PacketRange(offset, length))
        offset += length
    return packets
