"""Tests of the outbox and of the accounts: who goes first, what credit allows, and what is abandoned."""

from __future__ import annotations

import unittest

from account import Ledger, Purse
from frame import MAX_PAYLOAD, Flags, Frame, MessageType
from outbox import PATIENCE, Outbox, Parcel, Priority
from violation import BadField, Flood


def bulk(sequence: int, size: int, device: int = 1, purse: Purse | None = None) -> Parcel:
    """Return a bulk UrbRequest of so many bytes."""
    return Parcel(MessageType.URB_REQUEST, sequence, bytes(size), device, Priority.BULK, purse)


def urgent(sequence: int) -> Parcel:
    """Return a message that belongs to no device."""
    return Parcel(MessageType.KEEP_ALIVE, sequence, bytes(4))


class OutboxTest(unittest.TestCase):
    """Section 8."""

    def setUp(self) -> None:
        self.outbox = Outbox()

    def numbers(self) -> list[int]:
        """Return the sequence numbers of the frames, in their order."""
        return [frame.sequence for frame in iter(self.outbox.take, None)]

    def test_urgent_overtakes(self) -> None:
        self.outbox.put(bulk(1, 2 * MAX_PAYLOAD))
        first = self.outbox.take()
        self.assertEqual(first, Frame(MessageType.URB_REQUEST, 1, bytes(MAX_PAYLOAD), Flags.MORE))
        self.outbox.put(urgent(2))
        self.assertEqual(self.numbers(), [2, 1])

    def test_devices_in_turn(self) -> None:
        for sequence, device in ((1, 1), (2, 1), (3, 2)):
            self.outbox.put(bulk(sequence, 2 * MAX_PAYLOAD, device))
        self.assertEqual(self.numbers(), [1, 3, 1, 3, 2, 2])

    def test_nobody_starves(self) -> None:
        self.outbox.put(bulk(1, 40))
        for sequence in range(100, 100 + 2 * PATIENCE):
            self.outbox.put(urgent(sequence))
        self.assertEqual(self.numbers().index(1), PATIENCE)

    def test_credit(self) -> None:
        purse = Purse(65_536)
        self.outbox.put(bulk(1, 100_000, purse=purse))
        frames = list(iter(self.outbox.take, None))
        self.assertEqual([len(frame.payload) for frame in frames], [MAX_PAYLOAD])
        purse.refill(16_000)
        self.assertIsNone(self.outbox.take())
        purse.refill(400)
        frame = self.outbox.take()
        assert frame is not None
        self.assertEqual((len(frame.payload), frame.more), (16_416, True))

    def test_withdraw(self) -> None:
        begun, unsent = bulk(1, 2 * MAX_PAYLOAD), bulk(2, 40)
        self.outbox.put(begun)
        self.outbox.put(unsent)
        self.outbox.take()
        self.outbox.withdraw_device(1)
        self.assertEqual(self.outbox.take(), Frame(MessageType.URB_REQUEST, 1, b"", Flags.ABANDONED))
        self.assertIsNone(self.outbox.take())
        self.assertFalse(self.outbox.withdraw(begun))


class AccountTest(unittest.TestCase):
    """Section 9."""

    def test_purse(self) -> None:
        purse = Purse(65_536)
        with self.assertRaises(BadField):
            purse.refill(1)
        purse.spend(100)
        purse.refill(100)
        self.assertEqual(purse.left, 65_536)

    def test_ledger(self) -> None:
        ledger = Ledger(65_536)
        ledger.read(32_767)
        self.assertEqual(ledger.give_back(), 0)
        ledger.read(1)
        self.assertEqual(ledger.give_back(), 32_768)
        ledger.read(65_536)
        with self.assertRaises(Flood):
            ledger.read(1)


if __name__ == "__main__":
    unittest.main()
