"""Assembly: messages put together from frames that may be mixed (section 3)."""

from __future__ import annotations

from frame import Frame, MessageType, Side
from message import head_length, longest_length
from violation import BadField, BadLength, Flood

MAX_BEGUN = 1_024
"""Messages that may be begun and not ended (section 3)."""


class Assembly:
    """What has been begun and not ended in one direction."""

    def __init__(self, sender: Side) -> None:
        self._sender = sender
        self._begun: dict[tuple[MessageType, int], bytearray] = {}

    def begins(self, frame: Frame) -> bool:
        """Whether a frame is the first one of a message."""
        return (frame.kind, frame.sequence) not in self._begun

    def add(self, frame: Frame) -> bytes | None:
        """Take a frame; return the payloads of its message put together if it is the last one."""
        key = (frame.kind, frame.sequence)
        if frame.abandoned:
            if self._begun.pop(key, None) is None:
                raise BadField(f"ABANDONED {frame.kind.name} {frame.sequence} was not begun")
            return None
        if key not in self._begun:
            self._begin(frame)
        payload = self._begun[key]
        payload += frame.payload
        if len(payload) > longest_length(frame.kind, self._sender):
            raise BadLength(f"{frame.kind.name} {frame.sequence} has {len(payload)} bytes already")
        if frame.more:
            return None
        del self._begun[key]
        return bytes(payload)

    def _begin(self, frame: Frame) -> None:
        head = head_length(frame.kind, frame.payload)
        if len(frame.payload) < head:
            raise BadLength(
                f"the first frame of {frame.kind.name} has {len(frame.payload)} bytes, {head} must stand in it"
            )
        if frame.more and len(self._begun) >= MAX_BEGUN:
            raise Flood(f"{MAX_BEGUN} messages are begun and not ended")
        self._begun[frame.kind, frame.sequence] = bytearray()
