"""Accounts: the credit of one device in one direction, in bytes (section 9)."""

from __future__ import annotations

from violation import BadField, Flood

PATIENT_FRAME = 16_384
"""Bytes that a sender may wait for without ever waiting for ever: a quarter of 65,536 (section 9)."""


class Purse:
    """What this side may still send; begins with the credit of the receiver's Hello."""

    def __init__(self, credit: int) -> None:
        self._credit = credit
        self.left = credit

    def allows(self, rest: int) -> bool:
        """Whether a frame of a message with so many bytes left is worth sending now."""
        return self.left >= min(rest, PATIENT_FRAME)

    def spend(self, cost: int) -> None:
        """Take the cost of a frame that is sent."""
        if cost > self.left:
            raise ValueError(f"a frame of {cost} bytes, {self.left} are left")
        self.left -= cost

    def refill(self, amount: int) -> None:
        """Take a Credit of the receiver."""
        if self.left + amount > self._credit:
            raise BadField(f"Credit of {amount} bytes, only {self._credit - self.left} were spent")
        self.left += amount


class Ledger:
    """What the other side may still send; begins with the credit of this side's Hello."""

    def __init__(self, credit: int) -> None:
        self._credit = credit
        self._spent = 0
        self.held = False

    @property
    def spent(self) -> int:
        """Bytes that were read and not given back."""
        return self._spent

    def read(self, cost: int) -> None:
        """Note the cost of a frame that was read."""
        self._spent += cost
        if self._spent > self._credit:
            raise Flood(f"{self._spent} bytes came on a credit of {self._credit}")

    def give_back(self) -> int:
        """Return what Credit is due: all that was read once it is half of the credit, else 0.

        An account that is `held` gives nothing, which stops the sender.
        """
        if self.held or self._spent < self._credit // 2:
            return 0
        amount, self._spent = self._spent, 0
        return amount
