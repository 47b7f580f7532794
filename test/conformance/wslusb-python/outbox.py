"""Outbox: what this side has to send, by priority and in turn of the devices (section 8)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from account import Purse
from frame import MAX_PAYLOAD, Flags, Frame, MessageType

PATIENCE = 16
"""Frames of others after which a priority that could have sent goes next (section 8)."""

NO_DEVICE = 0
"""Stands where a handle would, for messages that belong to no device."""


class Priority(IntEnum):
    """Smaller numbers go first (section 8)."""

    URGENT = 0
    ISOCHRONOUS = 1
    BULK = 2


@dataclass(eq=False)
class Parcel:
    """A message on its way out; `sent` counts the bytes that have left."""

    kind: MessageType
    sequence: int
    payload: bytes
    device: int = NO_DEVICE
    priority: Priority = Priority.URGENT
    purse: Purse | None = None
    sent: int = 0

    @property
    def rest(self) -> int:
        """Bytes that have not left."""
        return len(self.payload) - self.sent

    def ready(self) -> bool:
        """Whether the credit allows a frame now."""
        return self.purse is None or self.purse.allows(self.rest)

    def next_frame(self) -> Frame:
        """Cut the next frame, as long as a frame and the credit allow, and pay for it."""
        size = min(self.rest, MAX_PAYLOAD)
        if self.purse is not None:
            size = min(size, self.purse.left)
            self.purse.spend(size)
        payload = self.payload[self.sent : self.sent + size]
        self.sent += size
        return Frame(self.kind, self.sequence, payload, Flags.MORE if self.rest else Flags.NONE)


class Outbox:
    """Queues of parcels, one for each priority and device."""

    def __init__(self) -> None:
        self._queues: dict[Priority, dict[int, deque[Parcel]]] = {priority: {} for priority in Priority}
        self._passed = dict.fromkeys(Priority, 0)

    def put(self, parcel: Parcel) -> None:
        """Put a message behind those of its device and priority."""
        self._queues[parcel.priority].setdefault(parcel.device, deque()).append(parcel)

    def take(self) -> Frame | None:
        """Return the frame to be sent next, or None if there is none that the credit allows."""
        able = {priority: device for priority in Priority if (device := self._turn(priority)) is not None}
        if not able:
            return None
        starving = [priority for priority in able if self._passed[priority] >= PATIENCE]
        chosen = min(starving or able)
        for priority in able:
            self._passed[priority] += 1
        self._passed[chosen] = 0
        return self._cut(chosen, able[chosen])

    def withdraw(self, parcel: Parcel) -> bool:
        """Take a message back that has not left whole; abandon what was begun. False if it has left."""
        queue = self._queues[parcel.priority].get(parcel.device, deque())
        if parcel not in queue:
            return False
        self._remove(parcel, queue)
        if parcel.sent:
            self._abandon(parcel)
        return True

    def withdraw_device(self, device: int) -> None:
        """Take back every UrbRequest for a device, before its DeviceDetach (section 5.5)."""
        for queues in self._queues.values():
            for parcel in list(queues.get(device, ())):
                self.withdraw(parcel)

    def _turn(self, priority: Priority) -> int | None:
        for device, queue in self._queues[priority].items():
            if queue[0].ready():
                return device
        return None

    def _cut(self, priority: Priority, device: int) -> Frame:
        queues = self._queues[priority]
        queue = queues.pop(device)
        frame = queue[0].next_frame()
        if not frame.more:
            queue.popleft()
        if queue:
            queues[device] = queue
        return frame

    def _remove(self, parcel: Parcel, queue: deque[Parcel]) -> None:
        queue.remove(parcel)
        if not queue:
            del self._queues[parcel.priority][parcel.device]

    def _abandon(self, parcel: Parcel) -> None:
        queue = self._queues[Priority.URGENT].setdefault(NO_DEVICE, deque())
        queue.append(_Abandonment(parcel.kind, parcel.sequence, b""))


class _Abandonment(Parcel):
    """The frame that gives a begun message up (section 3)."""

    def next_frame(self) -> Frame:
        """Return the frame without payload."""
        return Frame(self.kind, self.sequence, b"", Flags.ABANDONED)
