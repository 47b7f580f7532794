"""Tests of the messages: each there and back, and what must be refused of it (section 5)."""

from __future__ import annotations

import struct
import unittest
from collections.abc import Callable
from dataclasses import replace

from field import pack_text, unpack_text
from frame import MessageType, Side
from inventory import (
    EnumerationAnswer,
)
from message import Message, decode_message
from sample import BULK_IN, CONTROL_IN, GRANT, ISOCHRONOUS_IN, MESSAGES
from session import Error, Hello
from status import Status
from urb import (
    PacketRange,
    PacketResult,
    UrbRequest,
    UrbResponse,
)
from violation import (
    BadDevice,
    BadField,
    BadLength,
    Violation,
)


class MessageTest(unittest.TestCase):
    """Every message there and back."""

    def test_round_trip(self) -> None:
        for kind, sender, message, request in MESSAGES:
            with self.subTest(kind.name, sender=sender.value):
                payload = message.encode()
                self.assertEqual(decode_message(kind, sender, payload, request), message)

    def test_every_type(self) -> None:
        self.assertEqual({kind for kind, _, _, _ in MESSAGES}, set(MessageType))

    def test_lengths(self) -> None:
        for kind, sender, message, request in MESSAGES:
            payload = message.encode()
            wrong = [payload[:-1]] if kind is MessageType.HELLO else [payload[:-1], payload + b"\0"]
            for data in wrong:
                with self.subTest(kind.name, length=len(data)), self.assertRaises(BadLength):
                    decode_message(kind, sender, data, request)

    def test_hello_tail(self) -> None:
        payload = Hello().encode()
        self.assertEqual(Hello.decode(payload + bytes(4_060)), Hello())
        self.refuse(BadLength, Hello.decode, payload + bytes(4_061))

    def test_fields(self) -> None:
        self.refuse(BadField, Hello.decode, b"X" + Hello().encode()[1:])
        self.refuse(BadField, Hello.decode, Hello(credit=65_535).encode())
        self.refuse(BadField, Hello.decode, Hello(credit=16_777_217).encode())
        self.refuse(BadLength, EnumerationAnswer.decode, struct.pack("<I", 1_025))
        for grant, refusal in (
            (replace(GRANT, speed=0), BadField),
            (replace(GRANT, speed=6), BadField),
            (replace(GRANT, device=0), BadDevice),
            (replace(GRANT, descriptors=bytes(1_048_577)), BadLength),
        ):
            with self.assertRaises(refusal):
                decode_message(MessageType.DEVICE_ATTACH, Side.HOST, grant.encode())

    def test_request(self) -> None:
        self.refuse(BadField, UrbRequest.decode, replace(CONTROL_IN, endpoint=0x90).encode())
        payload = CONTROL_IN.encode()
        self.refuse(BadField, UrbRequest.decode, payload[:5] + b"\x04" + payload[6:])
        too_long = replace(BULK_IN, transfer_buffer_length=16_777_217)
        self.refuse(BadLength, UrbRequest.decode, too_long.encode())
        packets = tuple(PacketRange(at, 1) for at in range(1_025))
        self.refuse(BadLength, UrbRequest.decode, replace(ISOCHRONOUS_IN, packets=packets).encode())

    def test_response_is_not_believed(self) -> None:
        good = UrbResponse(Status.OK, 3, b"abc", 0, 0, (PacketResult(3, 0), PacketResult(0, 0)))
        self.assertEqual(UrbResponse.decode(good.encode(), ISOCHRONOUS_IN), good)
        for response, refusal in (
            (replace(good, status=32), BadField),
            (replace(good, packets=good.packets[:1]), BadLength),
            (replace(good, packets=(PacketResult(5, 0), PacketResult(0, 0))), BadLength),
            (replace(good, packets=(PacketResult(2, 0), PacketResult(0, 0))), BadLength),
            (replace(good, packets=(PacketResult(3, 32), PacketResult(0, 0)), error_count=1), BadField),
            (replace(good, packets=(PacketResult(3, 0), PacketResult(0, 8))), BadField),
            (replace(good, error_count=1), BadField),
            (replace(good, transferred_length=13), BadLength),
        ):
            with self.subTest(response):
                self.refuse(refusal, lambda data: UrbResponse.decode(data, ISOCHRONOUS_IN), response.encode())
        longer = UrbResponse(Status.OK, 5, b"hello")
        self.refuse(BadLength, lambda data: UrbResponse.decode(data, BULK_IN), longer.encode())

    def test_unknown_transfer_status(self) -> None:
        response = UrbResponse.decode(UrbResponse(31, 0).encode(), BULK_IN)
        self.assertEqual(response.outcome, Status.PROTOCOL)

    def test_error_is_believed(self) -> None:
        self.assertEqual(Error.decode(b"\x21" + bytes(3) + b"x" * 256), Error(Status.BUSY, "x" * 255))

    def test_text(self) -> None:
        self.assertEqual(unpack_text(pack_text("1-1", 8)), "1-1")
        self.assertEqual(unpack_text(b"a\x01\xffb\0junk\0"), "a??b")
        self.refuse(BadField, unpack_text, b"abcd")
        with self.assertRaises(ValueError):
            pack_text("12345678", 8)

    def refuse(self, refusal: type[Violation], decode: Callable[[bytes], Message], data: bytes) -> None:
        """Expect bytes to be refused with a violation."""
        with self.assertRaises(refusal):
            decode(data)


if __name__ == "__main__":
    unittest.main()
