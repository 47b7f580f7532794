"""Link: the stream of a connection, read and written by tasks, with keep-alive (sections 2, 3, 5.10 and 8)."""

from __future__ import annotations

import asyncio
import itertools
from typing import Protocol

from address import Streams
from frame import Frame, FrameReader, MessageType, Side
from message import Message
from outbox import Outbox, Parcel
from session import Error, KeepAlive
from violation import ConnectionEnded, PeerError, PeerSilent, Violation

READ_SIZE = 262_144
LINK_BYTES = 131_072
"""Bytes that are kept with the link, where nothing can overtake them (section 8)."""

SILENCE_LIMIT = 10.0
"""Seconds without a byte after which the host is taken for dead (section 5.10)."""

UNASKED = 0
"""The sequence number of what nobody asked for (section 4)."""


class Receiver(Protocol):
    """Who is given what a link reads."""

    def take(self, frame: Frame) -> None:
        """Take a frame; raise a Violation to end the connection."""

    def rest(self) -> None:
        """All that has come is read."""

    def end(self, reason: Exception) -> None:
        """The connection is over."""


class Link:
    """A connection to a host. It reads on whatever happens."""

    def __init__(self, streams: Streams, receiver: Receiver) -> None:
        self._reader, self._writer = streams
        self._writer.transport.set_write_buffer_limits(high=LINK_BYTES)
        self._receiver = receiver
        self._frames = FrameReader(Side.HOST, from_beginning=True)
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._questions = itertools.count(1)
        self._last_read = asyncio.get_running_loop().time()
        self._tasks = [asyncio.create_task(run()) for run in (self._read, self._write, self._watch)]

    async def close(self) -> None:
        """End the connection."""
        self._end(ConnectionEnded("closed by this client"))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, parcel: Parcel) -> None:
        """Queue a message."""
        self._outbox.put(parcel)
        self.wake()

    def post(self, kind: MessageType, sequence: int, message: Message) -> None:
        """Queue a message that belongs to no device."""
        self.put(Parcel(kind, sequence, message.encode()))

    def ask(self) -> None:
        """Ask whether the host lives."""
        self.post(MessageType.KEEP_ALIVE, next(self._questions), KeepAlive(0))

    def withdraw(self, parcel: Parcel) -> bool:
        """Take back a message that has not been sent whole; False if it has."""
        withdrawn = self._outbox.withdraw(parcel)
        self.wake()
        return withdrawn

    def withdraw_device(self, device: int) -> None:
        """Take back what has not been sent whole for a device."""
        self._outbox.withdraw_device(device)
        self.wake()

    def wake(self) -> None:
        """Look again whether something can be sent."""
        self._wake.set()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes that need not be a frame, beside what is queued."""
        self._writer.write(data)

    async def _write(self) -> None:
        try:
            while True:
                self._wake.clear()
                while (frame := self._outbox.take()) is not None:
                    self._writer.write(frame.encode())
                    await self._writer.drain()
                await self._wake.wait()
        except ConnectionError as reason:
            self._end(ConnectionEnded(str(reason)))

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(READ_SIZE):
                self._last_read = asyncio.get_running_loop().time()
                for frame in self._frames.feed(data):
                    self._receiver.take(frame)
                self._receiver.rest()
            self._end(ConnectionEnded("the host closed the stream"))
        except Violation as violation:
            self._refuse(violation)
        except PeerError as error:
            self._end(error)
        except ConnectionError as reason:
            self._end(ConnectionEnded(str(reason)))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SILENCE_LIMIT / 3)
            silence = asyncio.get_running_loop().time() - self._last_read
            if silence >= SILENCE_LIMIT:
                self._refuse(PeerSilent(f"nothing came for {silence:.0f} s"))
                return
            if silence >= SILENCE_LIMIT / 3:
                self.ask()

    def _refuse(self, violation: Violation) -> None:
        error = Error(violation.status, f"{violation.status.name}: {violation}"[:255])
        self.send_bytes(Frame(MessageType.ERROR, UNASKED, error.encode()).encode())
        self._end(violation)

    def _end(self, reason: Exception) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._receiver.end(reason)
        self._writer.close()
