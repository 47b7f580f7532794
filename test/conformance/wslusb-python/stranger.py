"""Stranger: a peer that sends what it likes, to see what a host says about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from address import Streams, dial
from frame import Flags, Frame, FrameReader, MessageType, Side
from session import Error, Hello, KeepAlive

PATIENCE = 3.0
"""Seconds that a stranger waits for a frame."""


class Stranger:
    """A connection whose frames are written by hand and read without being checked against anything."""

    def __init__(self, streams: Streams) -> None:
        self._reader, self._writer = streams
        self._frames = FrameReader(Side.HOST)
        self._waiting: list[Frame] = []

    @classmethod
    async def connect(cls, address: str) -> Stranger:
        """Dial a host, and send nothing."""
        return cls(await dial(address))

    @classmethod
    async def greeted(cls, address: str) -> Stranger:
        """Dial a host, and exchange Hellos."""
        stranger = await cls.connect(address)
        stranger.send(MessageType.HELLO, 0, Hello().encode())
        await stranger.expect(MessageType.HELLO)
        return stranger

    def send(self, kind: MessageType, sequence: int, payload: bytes = b"", flags: Flags = Flags.NONE) -> None:
        """Send one frame."""
        self.send_bytes(Frame(kind, sequence, payload, flags).encode())

    def send_bytes(self, data: bytes) -> None:
        """Send bytes that need not be a frame."""
        self._writer.write(data)

    async def flush(self) -> None:
        """Let what was sent leave before more of it is sent."""
        await self._writer.drain()
        await asyncio.sleep(0)

    async def read(self, patience: float = PATIENCE) -> Frame | None:
        """Return the next frame, or None at the end of the stream."""
        while not self._waiting:
            data = await asyncio.wait_for(self._reader.read(65_536), patience)
            if not data:
                return None
            self._waiting.extend(self._frames.feed(data))
        return self._waiting.pop(0)

    async def expect(self, kind: MessageType, patience: float = PATIENCE) -> Frame:
        """Return the next frame of a type, and pass over those before it."""
        while (frame := await self.read(patience)) is not None:
            if frame.kind is kind:
                return frame
            if frame.kind is MessageType.ERROR:
                raise AssertionError(f"{Error.decode(frame.payload)} instead of {kind.name}")
        raise AssertionError(f"the end of the stream instead of {kind.name}")

    async def read_all(self, patience: float) -> list[Frame]:
        """Return every frame until none has come for so many seconds, or the stream has ended."""
        frames = []
        try:
            while (frame := await self.read(patience)) is not None:
                frames.append(frame)
        except (asyncio.TimeoutError, ConnectionError):
            pass
        return frames

    async def answering(self, patience: float) -> AsyncIterator[Frame]:
        """Yield every frame until the end of the stream, and answer the questions among them (section 5.10)."""
        while (frame := await self.read(patience)) is not None:
            if frame.kind is MessageType.KEEP_ALIVE:
                self.send(MessageType.KEEP_ALIVE, frame.sequence, KeepAlive(1).encode())
            yield frame

    async def last_error(self, patience: float = PATIENCE) -> Error:
        """Return the Error that must be the last frame before the end of the stream (section 2)."""
        error = Error.decode((await self.expect_error(patience)).payload)
        if (frame := await self.read(patience)) is not None:
            raise AssertionError(f"{frame.kind.name} behind an Error")
        return error

    async def expect_error(self, patience: float) -> Frame:
        """Return the next Error frame, and pass over what comes before it."""
        while (frame := await self.read(patience)) is not None:
            if frame.kind is MessageType.ERROR:
                return frame
        raise AssertionError("the end of the stream without an Error")

    def close(self) -> None:
        """End the connection."""
        self._writer.close()
