"""Tests of the decoder: every byte table of the document, headers, and the assembly of messages."""

from __future__ import annotations

import unittest
from collections.abc import Iterator

from assembly import MAX_BEGUN, Assembly
from attachment import AttachGrant, AttachRefusal, DetachAnswer
from example import Example, read_examples
from frame import HEADER, MAX_PAYLOAD, Flags, Frame, FrameReader, MessageType, Side
from inventory import (
    EnumerationAnswer,
    Speed,
)
from message import Message, decode_message
from sample import BULK_OUT, ISOCHRONOUS_IN, MESSAGES
from session import Credit, Error, KeepAlive
from status import Status
from urb import (
    PacketResult,
    UrbRequest,
    UrbResponse,
)
from violation import (
    BadCommand,
    BadField,
    BadLength,
    BadVersion,
    Flood,
    UnknownSeqnum,
)

HEADER_FIELDS = 4


def decode_frames(data: bytes, sender: Side) -> list[Frame]:
    """Cut bytes into frames."""
    return list(FrameReader(sender).feed(data))


class ExampleTest(unittest.TestCase):
    """The tables of section 10."""

    def setUp(self) -> None:
        self.tables = read_examples()

    def assembled(self, table: str) -> Iterator[tuple[Example, Frame, Message]]:
        """Yield what each frame that ends a message decodes to."""
        assemblies = {side: Assembly(side) for side in Side}
        requests: dict[int, UrbRequest] = {}
        for example in self.tables[table]:
            (frame,) = decode_frames(example.data, example.sender)
            payload = assemblies[example.sender].add(frame)
            if payload is None:
                continue
            message = decode_message(frame.kind, example.sender, payload, requests.get(frame.sequence))
            if isinstance(message, UrbRequest):
                requests[frame.sequence] = message
            self.assertEqual(message.encode(), payload, example.title)
            yield example, frame, message

    def test_headers(self) -> None:
        for table in self.tables.values():
            for example in table:
                with self.subTest(example.title):
                    (frame,) = decode_frames(example.data, example.sender)
                    self.assertEqual(frame.encode(), example.data)
                    kind, size, sequence = (field.number() for field in example.fields[: HEADER_FIELDS - 1])
                    self.assertEqual(kind, ("type", frame.kind))
                    self.assertEqual(size, ("payload_size", len(frame.payload)))
                    self.assertEqual(sequence, ("sequence_number", frame.sequence))

    def test_example(self) -> None:
        names = [type(message).__name__ for _, _, message in self.assembled("example")]
        self.assertEqual(len(names), len(self.tables["example"]))
        self.assertEqual(set(MessageType) - {MessageType.CREDIT, MessageType.ERROR}, self.kinds())

    def kinds(self) -> set[MessageType]:
        """Return the types that the long example has."""
        return {frame.kind for _, frame, _ in self.assembled("example")}

    def test_values(self) -> None:
        for example, _, message in self.assembled("example"):
            own = getattr(message, "__dict__", {})
            for field in example.fields[HEADER_FIELDS:]:
                for name, value in filter(None, (field.number(), field.text())):
                    if name in own:
                        with self.subTest(example.title, field=name):
                            self.assertEqual(own[name], value)

    def test_meaning(self) -> None:
        messages = [message for _, _, message in self.assembled("example")]
        enumeration = next(it for it in messages if isinstance(it, EnumerationAnswer))
        (info,) = enumeration.devices
        self.assertEqual((info.vid, info.pid, info.serial, info.speed), (0x1209, 1, "S1", Speed.HIGH))
        grant = next(it for it in messages if isinstance(it, AttachGrant))
        self.assertEqual((grant.device, len(grant.descriptors)), (1, 71))
        responses = [it for it in messages if isinstance(it, UrbResponse)]
        self.assertEqual([it.status for it in responses], [0, 0, 0, Status.CANCELLED, Status.STALL])
        self.assertEqual(responses[2].data, b"\x01\x02\x03\x09")
        self.assertEqual([it.actual_length for it in responses[2].packets], [3, 1])

    def test_cut(self) -> None:
        messages = [message for _, _, message in self.assembled("cut")]
        expected = [KeepAlive(0), BULK_OUT, KeepAlive(1), UrbResponse(Status.OK, 5)]
        self.assertEqual(messages, expected)

    def test_rest(self) -> None:
        kinds = [frame.kind for _, frame, _ in self.assembled("rest")]
        self.assertEqual(kinds.count(MessageType.URB_REQUEST), 2, "one in three frames, and one that is cancelled")
        messages = [message for _, _, message in self.assembled("rest")]
        self.assertIn(Credit(1, 131_112), messages)
        self.assertIn(DetachAnswer(1, Status.DENIED), messages)
        self.assertIn(AttachRefusal(Status.NOT_FOUND, "no device has this bus id"), messages)
        failed = (PacketResult(0, Status.NOT_DONE),) * 2
        self.assertIn(UrbResponse(Status.CANCELLED, 0, b"", 0, 2, failed), messages)
        self.assertEqual(messages[-1], Error(Status.ENDED, "ENDED: this host stopped"))

    def test_version_1(self) -> None:
        request, answer = self.tables["version1"]
        (frame,) = decode_frames(request.data, Side.CLIENT)
        self.assertEqual((frame.kind, len(frame.payload)), (MessageType.URB_REQUEST, 272))
        (frame,) = decode_frames(answer.data, Side.HOST)
        error = Error.decode(frame.payload)
        self.assertEqual(error.status, Status.BAD_VERSION)
        self.assertTrue(error.message.endswith("which begins with Hello (type 7)"))


class FrameTest(unittest.TestCase):
    """Headers, and the assembly of messages."""

    def test_bad_headers(self) -> None:
        for header, refusal in (
            ((9, MAX_PAYLOAD + 1, 1, 0), BadLength),
            ((9, 4, 1, 4), BadField),
            ((9, 4, 1, 1 << 31), BadField),
            ((9, 0, 1, Flags.MORE), BadField),
            ((9, 4, 1, Flags.ABANDONED), BadField),
            ((9, 0, 1, Flags.ABANDONED | Flags.MORE), BadField),
        ):
            for sender in Side:
                with self.subTest(header), self.assertRaises(refusal):
                    decode_frames(HEADER.pack(*header), sender)

    def test_types(self) -> None:
        for number in (0, 12, 254, 256, MessageType.URB_RESPONSE, MessageType.DEVICE_EVENT):
            with self.subTest(number), self.assertRaises(BadCommand):
                decode_frames(HEADER.pack(number, 0, 0, 0), Side.CLIENT)
        for number in (0, 12, 254, 256, MessageType.URB_REQUEST):
            with self.subTest(number), self.assertRaises(UnknownSeqnum):
                decode_frames(HEADER.pack(number, 0, 0, 0), Side.HOST)

    def test_byte_by_byte(self) -> None:
        frames = [Frame(kind, 7, message.encode()) for kind, side, message, _ in MESSAGES if side is Side.HOST]
        reader = FrameReader(Side.HOST)
        data = b"".join(frame.encode() for frame in frames)
        came = [frame for byte in data for frame in reader.feed(bytes((byte,)))]
        self.assertEqual(came, frames)

    def test_mixed(self) -> None:
        assembly = Assembly(Side.CLIENT)
        payload = BULK_OUT.encode()
        self.assertIsNone(assembly.add(Frame(MessageType.URB_REQUEST, 1, payload[:40], Flags.MORE)))
        self.assertIsNone(assembly.add(Frame(MessageType.URB_REQUEST, 2, payload[:43], Flags.MORE)))
        self.assertEqual(assembly.add(Frame(MessageType.KEEP_ALIVE, 1, bytes(4))), bytes(4))
        self.assertEqual(assembly.add(Frame(MessageType.URB_REQUEST, 2, payload[43:])), payload)
        self.assertEqual(assembly.add(Frame(MessageType.URB_REQUEST, 1, payload[40:])), payload)

    def test_abandoned(self) -> None:
        assembly = Assembly(Side.CLIENT)
        abandoned = Frame(MessageType.URB_REQUEST, 1, b"", Flags.ABANDONED)
        with self.assertRaises(BadField):
            assembly.add(abandoned)
        payload = BULK_OUT.encode()
        assembly.add(Frame(MessageType.URB_REQUEST, 1, payload[:40], Flags.MORE))
        self.assertIsNone(assembly.add(abandoned))
        self.assertEqual(assembly.add(Frame(MessageType.URB_REQUEST, 1, payload)), payload)

    def test_head_must_stand_whole(self) -> None:
        table_end = 40 + 2 * 8
        for kind, sender, payload in (
            (MessageType.URB_REQUEST, Side.CLIENT, BULK_OUT.encode()[:39]),
            (MessageType.URB_REQUEST, Side.CLIENT, ISOCHRONOUS_IN.encode()[: table_end - 1]),
        ):
            with self.subTest(kind.name), self.assertRaises(BadLength):
                Assembly(sender).add(Frame(kind, 1, payload, Flags.MORE))

    def test_others_may_be_cut_anywhere(self) -> None:
        for kind, sender, message, _ in MESSAGES:
            if kind in (MessageType.URB_REQUEST, MessageType.URB_RESPONSE):
                continue
            assembly = Assembly(sender)
            payload = message.encode()
            with self.subTest(kind.name):
                self.assertIsNone(assembly.add(Frame(kind, 1, payload[:1], Flags.MORE)))
                self.assertIsNone(assembly.add(Frame(kind, 1, payload[1:], Flags.MORE)))
                self.assertEqual(assembly.add(Frame(kind, 1)), payload)

    def test_first_type_comes_before_all(self) -> None:
        for header in ((12, 4, 0, 0), (MessageType.KEEP_ALIVE, MAX_PAYLOAD + 1, 0, 1 << 31), (0, 0, 0, 0)):
            with self.subTest(header), self.assertRaises(BadVersion):
                list(FrameReader(Side.HOST, from_beginning=True).feed(HEADER.pack(*header)))

    def test_too_long(self) -> None:
        assembly = Assembly(Side.CLIENT)
        assembly.add(Frame(MessageType.KEEP_ALIVE, 1, bytes(4), Flags.MORE))
        with self.assertRaises(BadLength):
            assembly.add(Frame(MessageType.KEEP_ALIVE, 1, bytes(1), Flags.MORE))

    def test_flood(self) -> None:
        assembly = Assembly(Side.CLIENT)
        for number in range(MAX_BEGUN):
            assembly.add(Frame(MessageType.KEEP_ALIVE, number, bytes(4), Flags.MORE))
        self.assertIsNotNone(assembly.add(Frame(MessageType.KEEP_ALIVE, MAX_BEGUN, bytes(4))))
        with self.assertRaises(Flood):
            assembly.add(Frame(MessageType.KEEP_ALIVE, MAX_BEGUN, bytes(4), Flags.MORE))


if __name__ == "__main__":
    unittest.main()
