"""Tests of the client against a host of a few lines, which does what a good host never does."""

from __future__ import annotations

import asyncio
import tempfile
import unittest
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from attachment import DetachAnswer
from client import Client
from device import Device
from frame import Frame, FrameReader, MessageType, Side
from sample import GRANT
from session import Credit, Error, Hello, KeepAlive
from status import Status
from urb import TransferType, UrbRequest, UrbResponse
from violation import BadDevice, BadField, BadLength, ConnectionEnded, Flood, PeerError, UnknownSeqnum, Violation

HELLO = Hello(credit=65_536, devices=64, urbs=1_024, flight_bytes=1 << 25, transfer_length=1 << 24, packets=1_024)
BULK_IN = 0x81
ATTACH_NUMBER = 1
URB_NUMBER = 2


class Host:
    """Answers the Hello and the DeviceAttach; what else it sends is the matter of a test."""

    def __init__(self, grant: bytes) -> None:
        self._grant = grant
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read until the end of the stream."""
        self._writer = writer
        frames = FrameReader(Side.CLIENT)
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                if frame.kind is MessageType.HELLO:
                    self.send(MessageType.HELLO, 0, HELLO.encode())
                elif frame.kind is MessageType.DEVICE_ATTACH:
                    self.send(MessageType.DEVICE_ATTACH, frame.sequence, self._grant)
                else:
                    self.frames.put_nowait(frame)
        writer.close()

    def send(self, kind: MessageType, sequence: int, payload: bytes) -> None:
        """Send one frame."""
        if self._writer is None:
            raise RuntimeError("nobody has dialled")
        self._writer.write(Frame(kind, sequence, payload).encode())

    async def expect(self, kind: MessageType) -> Frame:
        """Return the next frame of a type."""
        while (frame := await asyncio.wait_for(self.frames.get(), 2)).kind is not kind:
            continue
        return frame


Scene = Callable[[Host, Client, Device], Awaitable[None]]


async def play(scene: Scene, grant: bytes = GRANT.encode()) -> None:
    """Connect a client to a host, attach a device, and let a scene happen."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "host.sock")
        host = Host(grant)
        server = await asyncio.start_unix_server(host.serve, path)
        client = await Client.connect(f"unix:{path}", Hello(credit=65_536))
        try:
            await scene(host, client, await client.attach("1-1"))
        finally:
            await client.close()
            server.close()


class ClientTest(unittest.IsolatedAsyncioTestCase):
    """What the client believes, answers and ends with."""

    async def refused(self, violation: type[Violation], kind: MessageType, sequence: int, payload: bytes) -> None:
        """Expect a frame to end the connection, and the host to be told why."""

        async def scene(host: Host, client: Client, device: Device) -> None:
            urb = device.submit(BULK_IN, TransferType.BULK, 4)
            await host.expect(MessageType.URB_REQUEST)
            host.send(kind, sequence, payload)
            with self.assertRaises(violation):
                await urb.wait(2)
            error = Error.decode((await host.expect(MessageType.ERROR)).payload)
            self.assertEqual(error.status, violation.status)
            with self.assertRaises(violation):
                await client.enumerate()

        await play(scene)

    async def test_refusals(self) -> None:
        response = UrbResponse(Status.OK, 4, bytes(4)).encode()
        longer = UrbResponse(Status.OK, 5, bytes(5)).encode()
        for violation, kind, sequence, payload in (
            (UnknownSeqnum, MessageType.URB_RESPONSE, 99, response),
            (UnknownSeqnum, MessageType.DEVICE_RESET, URB_NUMBER, bytes(8)),
            (UnknownSeqnum, MessageType.DEVICE_ATTACH, ATTACH_NUMBER, GRANT.encode()),
            (BadLength, MessageType.URB_RESPONSE, URB_NUMBER, longer),
            (BadField, MessageType.URB_RESPONSE, URB_NUMBER, UrbResponse(32, 0).encode()),
            (BadField, MessageType.CREDIT, 0, Credit(1, 41).encode()),
            (BadDevice, MessageType.CREDIT, 0, Credit(2, 1).encode()),
            (BadDevice, MessageType.DEVICE_DETACH, 0, DetachAnswer(2, Status.DENIED).encode()),
        ):
            with self.subTest(kind.name, violation=violation.__name__):
                await self.refused(violation, kind, sequence, payload)

    async def test_flood(self) -> None:
        async def scene(host: Host, _: Client, device: Device) -> None:
            device.ledger.held = True
            urbs = [device.submit(BULK_IN, TransferType.BULK, 40_000) for _ in range(2)]
            for urb in urbs:
                await host.expect(MessageType.URB_REQUEST)
                host.send(
                    MessageType.URB_RESPONSE, urb.sequence, UrbResponse(Status.OK, 40_000, bytes(40_000)).encode()
                )
            self.assertEqual((await urbs[0].wait(2)).status, Status.OK)
            with self.assertRaises(Flood):
                await urbs[1].wait(2)

        await play(scene)

    async def test_credit_is_given_back(self) -> None:
        async def scene(host: Host, _: Client, device: Device) -> None:
            urb = device.submit(BULK_IN, TransferType.BULK, 40_000)
            await host.expect(MessageType.URB_REQUEST)
            host.send(
                MessageType.URB_RESPONSE, urb.sequence, UrbResponse(Status.OK, 40_000, bytes(40_000)).encode()
            )
            credit = Credit.decode((await host.expect(MessageType.CREDIT)).payload)
            self.assertEqual(credit, Credit(device.handle, 40_024))

        await play(scene)

    async def test_question_is_answered(self) -> None:
        async def scene(host: Host, _client: Client, _device: Device) -> None:
            host.send(MessageType.KEEP_ALIVE, 7, KeepAlive(0).encode())
            answer = await host.expect(MessageType.KEEP_ALIVE)
            self.assertEqual(answer, Frame(MessageType.KEEP_ALIVE, 7, KeepAlive(1).encode()))

        await play(scene)

    async def test_device_is_taken_back(self) -> None:
        async def scene(host: Host, _client: Client, device: Device) -> None:
            begun = device.submit(1, TransferType.BULK, 100_000, bytes(100_000))
            await host.expect(MessageType.URB_REQUEST)
            host.send(MessageType.DEVICE_DETACH, 0, DetachAnswer(device.handle, Status.DENIED).encode())
            self.assertEqual((await begun.wait(2)).status, Status.DISCONNECTED)
            self.assertEqual(device.gone, Status.DENIED)
            self.assertTrue((await host.expect(MessageType.URB_REQUEST)).abandoned)
            host.send(MessageType.CREDIT, 0, Credit(device.handle, 1 << 20).encode())
            host.send(MessageType.KEEP_ALIVE, 1, KeepAlive(0).encode())
            await host.expect(MessageType.KEEP_ALIVE)
            self.assertEqual((await device.bulk_in(BULK_IN, 4)).status, Status.DISCONNECTED)

        await play(scene)

    async def test_cancel_without_response(self) -> None:
        async def scene(host: Host, _: Client, device: Device) -> None:
            urb = device.submit(BULK_IN, TransferType.BULK, 4)
            request = await host.expect(MessageType.URB_REQUEST)
            self.assertEqual(UrbRequest.decode(request.payload), urb.request)
            cancel = asyncio.create_task(urb.cancel())
            asked = await host.expect(MessageType.URB_CANCEL)
            host.send(MessageType.URB_CANCEL, asked.sequence, asked.payload + bytes(4))
            self.assertEqual(await cancel, Status.OK)
            self.assertEqual((await urb.wait(0)).status, Status.CANCELLED)
            host.send(MessageType.URB_RESPONSE, urb.sequence, UrbResponse(Status.OK, 4, bytes(4)).encode())
            host.send(MessageType.KEEP_ALIVE, 1, KeepAlive(0).encode())
            await host.expect(MessageType.KEEP_ALIVE)

        await play(scene)

    async def test_handle_must_grow(self) -> None:
        async def scene(_host: Host, client: Client, _device: Device) -> None:
            with self.assertRaises(BadDevice):
                await client.attach("1-1")

        await play(scene)

    async def test_ends(self) -> None:
        async def told(host: Host, client: Client, _: Device) -> None:
            host.send(MessageType.ERROR, 0, Error(Status.PEER_SILENT, "too quiet").encode())
            with self.assertRaises(PeerError):
                await client.enumerate()

        async def closed(_host: Host, client: Client, _device: Device) -> None:
            await client.close()
            with self.assertRaises(ConnectionEnded):
                await client.enumerate()

        await play(told)
        await play(closed, replace(GRANT, device=5).encode())


if __name__ == "__main__":
    unittest.main()
