"""Samples: a message of every type and side, for the tests."""

from __future__ import annotations

from dataclasses import replace

from attachment import (
    AttachGrant,
    AttachRefusal,
    AttachRequest,
    DetachAnswer,
    DeviceRequest,
    ResetAnswer,
)
from frame import MessageType, Side
from inventory import (
    DeviceEvent,
    DeviceInfo,
    EnumerationAnswer,
    EnumerationRequest,
    EventKind,
    InterfaceInfo,
    Speed,
)
from message import Message
from session import Credit, Error, Hello, KeepAlive
from status import Status
from urb import (
    CancelAnswer,
    CancelRequest,
    PacketRange,
    PacketResult,
    TransferType,
    UrbFlags,
    UrbRequest,
    UrbResponse,
    pack_setup,
)

INFO = DeviceInfo(
    "1-1", "a device", 0x1209, 1, 0x100, 255, 0, 0, 1, 1, 0, Speed.HIGH, "S1", (InterfaceInfo(255, 1, 2),)
)
GRANT = AttachGrant(1, Speed.HIGH, 1, bytes(18))
CONTROL_IN = UrbRequest(1, 0x80, TransferType.CONTROL, 18, setup=pack_setup(0x80, 6, 0x100, 0, 18))
BULK_OUT = UrbRequest(1, 1, TransferType.BULK, 5, b"hello", UrbFlags.ZERO_PACKET)
BULK_IN = UrbRequest(1, 0x81, TransferType.BULK, 4)
ISOCHRONOUS_IN = UrbRequest(
    1, 0x83, TransferType.ISOCHRONOUS, 12, packets=(PacketRange(0, 4), PacketRange(8, 4)), interval=1
)
MESSAGES: tuple[tuple[MessageType, Side, Message, UrbRequest | None], ...] = (
    (MessageType.HELLO, Side.CLIENT, Hello(3, 2, 65_536), None),
    (MessageType.HELLO, Side.HOST, Hello(2, 2, 16_777_216, 64, 1_024, 1 << 25, 1 << 24, 1_024), None),
    (MessageType.DEVICE_ENUMERATION, Side.CLIENT, EnumerationRequest(1), None),
    (MessageType.DEVICE_ENUMERATION, Side.HOST, EnumerationAnswer(()), None),
    (MessageType.DEVICE_ENUMERATION, Side.HOST, EnumerationAnswer((INFO, replace(INFO, interfaces=()))), None),
    (MessageType.DEVICE_EVENT, Side.HOST, DeviceEvent(EventKind.REMOVED, INFO), None),
    (MessageType.DEVICE_ATTACH, Side.CLIENT, AttachRequest("1-1"), None),
    (MessageType.DEVICE_ATTACH, Side.HOST, AttachRefusal(Status.BUSY, "somebody has it"), None),
    (MessageType.DEVICE_ATTACH, Side.HOST, GRANT, None),
    (MessageType.DEVICE_DETACH, Side.CLIENT, DeviceRequest(1), None),
    (MessageType.DEVICE_DETACH, Side.HOST, DetachAnswer(1, Status.DENIED), None),
    (MessageType.DEVICE_RESET, Side.CLIENT, DeviceRequest(1), None),
    (MessageType.DEVICE_RESET, Side.HOST, ResetAnswer(1, Status.BUSY), None),
    (MessageType.URB_REQUEST, Side.CLIENT, CONTROL_IN, None),
    (MessageType.URB_REQUEST, Side.CLIENT, BULK_OUT, None),
    (MessageType.URB_REQUEST, Side.CLIENT, ISOCHRONOUS_IN, None),
    (MessageType.URB_RESPONSE, Side.HOST, UrbResponse(Status.SHORT, 3, b"abc"), CONTROL_IN),
    (MessageType.URB_RESPONSE, Side.HOST, UrbResponse(Status.OK, 5), BULK_OUT),
    (
        MessageType.URB_RESPONSE,
        Side.HOST,
        UrbResponse(Status.OK, 3, b"abc", 100, 1, (PacketResult(3, 0), PacketResult(0, Status.CRC))),
        ISOCHRONOUS_IN,
    ),
    (MessageType.URB_CANCEL, Side.CLIENT, CancelRequest(6), None),
    (MessageType.URB_CANCEL, Side.HOST, CancelAnswer(6, Status.NOT_FOUND), None),
    (MessageType.KEEP_ALIVE, Side.CLIENT, KeepAlive(0), None),
    (MessageType.KEEP_ALIVE, Side.HOST, KeepAlive(1), None),
    (MessageType.CREDIT, Side.HOST, Credit(1, 131_072), None),
    (MessageType.ERROR, Side.CLIENT, Error(Status.BAD_FIELD, "no"), None),
)
"""A message of every type and side, with the request that a UrbResponse is read against."""
