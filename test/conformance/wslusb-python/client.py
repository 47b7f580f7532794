"""Client: a connection to a host, over which devices are taken (section 11)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from address import Streams, dial
from assembly import Assembly
from attachment import (
    AttachGrant,
    AttachRefusal,
    AttachRequest,
    DetachAnswer,
    DeviceRequest,
    ResetAnswer,
)
from device import AttachError, Device, Urb
from frame import Frame, MessageType, Side
from inventory import (
    MAX_DEVICES,
    DeviceEvent,
    DeviceInfo,
    EnumerationAnswer,
    EnumerationFlags,
    EnumerationRequest,
    EventKind,
)
from link import UNASKED, Link
from message import Message, decode_message
from session import VERSION, Credit, Error, Hello, KeepAlive
from status import Status
from urb import CancelAnswer, CancelRequest, UrbRequest, UrbResponse, costs_nothing
from violation import BadCommand, BadDevice, BadField, BadVersion, Flood, PeerError, UnknownSeqnum

ANSWER_PATIENCE = 5.0
"""Seconds that this client waits for an answer."""

DEFAULT_HELLO = Hello()
EVENT_KINDS = frozenset(EventKind)
ANSWERS = frozenset(
    {
        MessageType.DEVICE_ENUMERATION,
        MessageType.DEVICE_ATTACH,
        MessageType.DEVICE_DETACH,
        MessageType.DEVICE_RESET,
        MessageType.URB_CANCEL,
    }
)
"""The types of what a host sends because it was asked, besides UrbResponse (section 4)."""


class Client:
    """The client's side of a connection. Everything that it offers runs on one event loop."""

    def __init__(self, streams: Streams, hello: Hello) -> None:
        self.hello = hello
        self.events: asyncio.Queue[DeviceEvent] = asyncio.Queue()
        self._devices: dict[int, Device] = {}
        self._assembly = Assembly(Side.HOST)
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[MessageType, Message, asyncio.Future[Any]]] = {}
        self._urbs: dict[int, Urb] = {}
        self._charged: set[Device] = set()
        self._last_handle = 0
        self._told: set[str] = set()
        self._ended: Exception | None = None
        self._greeted: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._alive = asyncio.Event()
        self._link = Link(streams, self)
        self._link.post(MessageType.HELLO, UNASKED, hello)

    @classmethod
    async def connect(cls, address: str, hello: Hello = DEFAULT_HELLO) -> Client:
        """Dial a host and exchange Hellos (section 5.1)."""
        client = cls(await dial(address), hello)
        await asyncio.wait_for(client._greeted, ANSWER_PATIENCE)
        return client

    @property
    def host_hello(self) -> Hello:
        """What the host has answered to the Hello of this client."""
        return self._greeted.result()

    async def close(self) -> None:
        """End the connection, which gives every device back (section 2)."""
        await self._link.close()

    async def enumerate(self, subscribe: bool = False) -> tuple[DeviceInfo, ...]:
        """Return what the host has; with `subscribe`, changes come to `events` from now on (section 5.2)."""
        request = EnumerationRequest(EnumerationFlags.SUBSCRIBE if subscribe else EnumerationFlags.NONE)
        answer: EnumerationAnswer = await self._ask(MessageType.DEVICE_ENUMERATION, request)
        return answer.devices

    async def attach(self, instance_id: str) -> Device:
        """Take a device (section 5.4)."""
        request = AttachRequest(instance_id)
        answer: AttachGrant | AttachRefusal = await self._ask(MessageType.DEVICE_ATTACH, request)
        if isinstance(answer, AttachRefusal):
            raise AttachError(answer)
        return self._devices[answer.device]

    async def detach(self, device: Device) -> int:
        """Give a device back, and abandon what was begun for it (section 5.5)."""
        self._link.withdraw_device(device.handle)
        answer: DetachAnswer = await self._ask(MessageType.DEVICE_DETACH, DeviceRequest(device.handle))
        return answer.status

    async def reset(self, device: Device) -> int:
        """Reset a device (section 5.9)."""
        answer: ResetAnswer = await self._ask(MessageType.DEVICE_RESET, DeviceRequest(device.handle))
        return answer.status

    async def cancel(self, urb: Urb) -> int:
        """Ask the host to end a URB that has been sent whole (section 5.8)."""
        answer: CancelAnswer = await self._ask(MessageType.URB_CANCEL, CancelRequest(urb.sequence))
        return answer.status

    async def keep_alive(self) -> None:
        """Ask whether the host lives, and wait for its answer (section 5.10)."""
        self._alive.clear()
        self._link.ask()
        await asyncio.wait_for(self._alive.wait(), ANSWER_PATIENCE)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes that need not be a frame, beside what is queued."""
        self._link.send_bytes(data)

    def submit(self, device: Device, request: UrbRequest) -> Urb:
        """Queue a UrbRequest."""
        urb = Urb(device, next(self._numbers), request)
        if device.gone is not None:
            urb.end(UrbResponse(Status.DISCONNECTED, 0))
            return urb
        if self._ended is not None:
            urb.fail(self._ended)
            return urb
        self._urbs[urb.sequence] = urb
        self._link.put(urb.parcel)
        return urb

    def withdraw(self, urb: Urb) -> bool:
        """Take back a UrbRequest that has not been sent whole; False if it has (section 5.8)."""
        withdrawn = self._link.withdraw(urb.parcel)
        if withdrawn:
            del self._urbs[urb.sequence]
        return withdrawn

    def give_back(self, device: Device) -> None:
        """Send Credit for what has been read of a device, if it is due (section 9)."""
        amount = device.ledger.give_back()
        if amount and device.gone is None:
            self._link.post(MessageType.CREDIT, UNASKED, Credit(device.handle, amount))

    def take(self, frame: Frame) -> None:
        """Take a frame of the host."""
        if not frame.abandoned:
            if self._assembly.begins(frame):
                self._check_beginning(frame)
            if frame.kind is MessageType.URB_RESPONSE:
                self._charge(frame)
        payload = self._assembly.add(frame)
        if payload is None:
            return
        urb = self._urbs.get(frame.sequence)
        message = decode_message(frame.kind, Side.HOST, payload, urb.request if urb else None)
        self._handlers[frame.kind](self, frame.sequence, message)

    def rest(self) -> None:
        """Give credit back for what has been read, and not before all of it was (section 9)."""
        for device in self._charged:
            self.give_back(device)
        self._charged.clear()

    def end(self, reason: Exception) -> None:
        """Fail whatever waits for the host, and whatever will be asked."""
        self._ended = reason
        for future in (*(answer for _, _, answer in self._asked.values()), self._greeted):
            if not future.done():
                future.set_exception(reason)
                future.exception()
        for urb in self._urbs.values():
            urb.fail(reason)

    async def _ask(self, kind: MessageType, message: Message) -> Any:
        if self._ended is not None:
            raise self._ended
        sequence = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[sequence] = (kind, message, answer)
        self._link.post(kind, sequence, message)
        return await asyncio.wait_for(answer, ANSWER_PATIENCE)

    def _check_beginning(self, frame: Frame) -> None:
        kind, sequence = frame.kind, frame.sequence
        if not self._greeted.done():
            if kind not in (MessageType.HELLO, MessageType.ERROR):
                raise BadCommand(f"{kind.name} between the frames of a Hello")
        elif kind is MessageType.HELLO:
            raise BadCommand("a second Hello")
        elif kind is MessageType.URB_RESPONSE:
            urb = self._urbs.get(sequence)
            if urb is None or not urb.sent:
                raise UnknownSeqnum(f"UrbResponse {sequence} answers nothing")
            urb.free_response = not frame.payload or costs_nothing(frame.payload.ljust(24, b"\0"))
        elif kind in ANSWERS and (kind, sequence) != (MessageType.DEVICE_DETACH, UNASKED):
            if sequence not in self._asked or self._asked[sequence][0] is not kind:
                raise UnknownSeqnum(f"{kind.name} {sequence} answers nothing")

    def _charge(self, frame: Frame) -> None:
        urb = self._urbs.get(frame.sequence)
        if urb is None:
            raise UnknownSeqnum(f"UrbResponse {frame.sequence} goes on without its request")
        if urb.request.costs and not urb.free_response and urb.device.gone is None:
            urb.device.ledger.read(len(frame.payload))
            self._charged.add(urb.device)

    def _on_hello(self, _: int, hello: Hello) -> None:
        if hello.version != VERSION:
            raise BadVersion(f"the host speaks version {hello.version}")
        self._greeted.set_result(hello)

    def _on_answer(self, sequence: int, message: Message) -> None:
        _, _, answer = self._asked.pop(sequence)
        if not answer.done():
            answer.set_result(message)

    def _check_repeated(self, sequence: int, name: str, came: int) -> None:
        """Refuse an answer for another device or URB than it was asked for (section 5)."""
        asked = getattr(self._asked[sequence][1], name)
        if came != asked:
            raise BadField(f"{name} {came} answers {name} {asked}")

    def _on_cancel(self, sequence: int, answer: CancelAnswer) -> None:
        self._check_repeated(sequence, "urb", answer.urb)
        self._on_answer(sequence, answer)

    def _on_reset(self, sequence: int, answer: ResetAnswer) -> None:
        self._check_repeated(sequence, "device", answer.device)
        self._on_answer(sequence, answer)

    def _on_attach(self, sequence: int, answer: AttachGrant | AttachRefusal) -> None:
        if isinstance(answer, AttachGrant):
            if answer.device <= self._last_handle:
                raise BadDevice(f"handle {answer.device} is not larger than {self._last_handle}")
            self._last_handle = answer.device
            self._devices[answer.device] = Device(self, answer, self.host_hello.credit, self.hello.credit)
        self._on_answer(sequence, answer)

    def _on_detach(self, sequence: int, answer: DetachAnswer) -> None:
        if sequence != UNASKED:
            self._check_repeated(sequence, "device", answer.device)
        device = self._known_device(answer.device)
        if device is not None:
            self._lose(device, answer.status)
        if sequence != UNASKED:
            self._on_answer(sequence, answer)

    def _lose(self, device: Device, status: int) -> None:
        device.gone = status
        self._link.withdraw_device(device.handle)
        for sequence, urb in list(self._urbs.items()):
            if urb.device is device:
                del self._urbs[sequence]
                urb.end(UrbResponse(Status.DISCONNECTED, 0))

    def _on_response(self, sequence: int, response: UrbResponse) -> None:
        self._urbs.pop(sequence).end(response)

    def _on_enumeration(self, sequence: int, answer: EnumerationAnswer) -> None:
        self._told = {info.instance_id for info in answer.devices}
        self._on_answer(sequence, answer)

    def _on_event(self, _: int, event: DeviceEvent) -> None:
        if event.kind == EventKind.ADDED:
            self._told.add(event.info.instance_id)
        elif event.kind == EventKind.REMOVED:
            self._told.discard(event.info.instance_id)
        if len(self._told) > MAX_DEVICES:
            raise Flood(f"the host tells of {len(self._told)} devices")
        if event.kind in EVENT_KINDS:
            self.events.put_nowait(event)

    def _on_keep_alive(self, sequence: int, message: KeepAlive) -> None:
        if message.answer:
            self._alive.set()
        else:
            self._link.post(MessageType.KEEP_ALIVE, sequence, KeepAlive(1))

    def _on_credit(self, _: int, credit: Credit) -> None:
        device = self._known_device(credit.device)
        if device is not None:
            device.purse.refill(credit.amount)
            self._link.wake()

    def _on_error(self, _: int, error: Error) -> None:
        raise PeerError(error.status, error.message)

    def _known_device(self, handle: int) -> Device | None:
        """Return a device that is attached, None for one that is gone (section 5.4)."""
        device = self._devices.get(handle)
        if device is None:
            raise BadDevice(f"handle {handle} was never given")
        return device if device.gone is None else None

    _handlers: dict[MessageType, Callable[[Client, int, Any], None]] = {
        MessageType.HELLO: _on_hello,
        MessageType.DEVICE_ENUMERATION: _on_enumeration,
        MessageType.DEVICE_ATTACH: _on_attach,
        MessageType.DEVICE_DETACH: _on_detach,
        MessageType.DEVICE_RESET: _on_reset,
        MessageType.URB_CANCEL: _on_cancel,
        MessageType.URB_RESPONSE: _on_response,
        MessageType.DEVICE_EVENT: _on_event,
        MessageType.KEEP_ALIVE: _on_keep_alive,
        MessageType.CREDIT: _on_credit,
        MessageType.ERROR: _on_error,
    }
