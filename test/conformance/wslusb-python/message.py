"""Messages by type and side: their classes, and the lengths that a receiver holds them to (section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attachment import (
    GRANT,
    MAX_DESCRIPTORS,
    REFUSAL_LENGTH,
    AttachRequest,
    DetachAnswer,
    DeviceRequest,
    ResetAnswer,
    decode_attach_answer,
)
from frame import MessageType, Side
from inventory import (
    INFO_LENGTH,
    INTERFACE_LENGTH,
    MAX_DEVICES,
    DeviceEvent,
    EnumerationAnswer,
    EnumerationRequest,
)
from session import (
    ERROR_LENGTH,
    HELLO,
    MAX_HELLO_TAIL,
    MAX_PACKETS,
    MAX_TRANSFER_LENGTH,
    Credit,
    Error,
    Hello,
    KeepAlive,
)
from urb import (
    PACKET,
    REQUEST,
    RESPONSE,
    CancelAnswer,
    CancelRequest,
    UrbRequest,
    UrbResponse,
    request_table_end,
    response_table_end,
)


class Message(Protocol):
    """What every message can do."""

    def encode(self) -> bytes:
        """Return the payloads of its frames put together."""
        ...


Decoder = Callable[[bytes], Message]

DECODERS: dict[MessageType, dict[Side, Decoder]] = {
    MessageType.DEVICE_ENUMERATION: {
        Side.CLIENT: EnumerationRequest.decode,
        Side.HOST: EnumerationAnswer.decode,
    },
    MessageType.DEVICE_ATTACH: {Side.CLIENT: AttachRequest.decode, Side.HOST: decode_attach_answer},
    MessageType.DEVICE_DETACH: {Side.CLIENT: DeviceRequest.decode, Side.HOST: DetachAnswer.decode},
    MessageType.URB_REQUEST: {Side.CLIENT: UrbRequest.decode},
    MessageType.DEVICE_EVENT: {Side.HOST: DeviceEvent.decode},
    MessageType.HELLO: dict.fromkeys(Side, Hello.decode),
    MessageType.URB_CANCEL: {Side.CLIENT: CancelRequest.decode, Side.HOST: CancelAnswer.decode},
    MessageType.KEEP_ALIVE: dict.fromkeys(Side, KeepAlive.decode),
    MessageType.CREDIT: dict.fromkeys(Side, Credit.decode),
    MessageType.DEVICE_RESET: {Side.CLIENT: DeviceRequest.decode, Side.HOST: ResetAnswer.decode},
    MessageType.ERROR: dict.fromkeys(Side, Error.decode),
}
"""How to read each message but UrbResponse, which is read against its request (section 5.7)."""

LONGEST_INFO = INFO_LENGTH + 255 * INTERFACE_LENGTH
"""Bytes of a DeviceInfo with as many interfaces as it can have."""

LONGEST: dict[MessageType, dict[Side, int]] = {
    MessageType.DEVICE_ENUMERATION: {Side.CLIENT: 4, Side.HOST: 4 + MAX_DEVICES * LONGEST_INFO},
    MessageType.DEVICE_ATTACH: {
        Side.CLIENT: 256,
        Side.HOST: REFUSAL_LENGTH + GRANT.size + MAX_DESCRIPTORS,
    },
    MessageType.DEVICE_DETACH: {Side.CLIENT: 4, Side.HOST: 8},
    MessageType.URB_REQUEST: {Side.CLIENT: REQUEST.size + PACKET.size * MAX_PACKETS + MAX_TRANSFER_LENGTH},
    MessageType.URB_RESPONSE: {Side.HOST: RESPONSE.size + PACKET.size * MAX_PACKETS + MAX_TRANSFER_LENGTH},
    MessageType.DEVICE_EVENT: {Side.HOST: 4 + LONGEST_INFO},
    MessageType.HELLO: dict.fromkeys(Side, HELLO.size + MAX_HELLO_TAIL),
    MessageType.URB_CANCEL: {Side.CLIENT: 4, Side.HOST: 8},
    MessageType.KEEP_ALIVE: dict.fromkeys(Side, 4),
    MessageType.CREDIT: dict.fromkeys(Side, 8),
    MessageType.DEVICE_RESET: {Side.CLIENT: 4, Side.HOST: 8},
    MessageType.ERROR: dict.fromkeys(Side, ERROR_LENGTH),
}
"""Bytes of the longest message of each type and side (section 5)."""


def head_length(kind: MessageType, start: bytes) -> int:
    """Return how many bytes must stand in the first frame, of which `start` is the payload (section 3)."""
    if kind is MessageType.URB_REQUEST:
        return request_table_end(start)
    if kind is MessageType.URB_RESPONSE:
        return response_table_end(start)
    return 0


def longest_length(kind: MessageType, sender: Side) -> int:
    """Return how many bytes the longest message of a type and side has."""
    return LONGEST[kind][sender]


def decode_message(kind: MessageType, sender: Side, payload: bytes, request: UrbRequest | None = None) -> Message:
    """Read a whole message; a UrbResponse is read against its request."""
    if kind is MessageType.URB_RESPONSE:
        if request is None:
            raise ValueError("a UrbResponse is read against its request")
        return UrbResponse.decode(payload, request)
    return DECODERS[kind][sender](payload)
