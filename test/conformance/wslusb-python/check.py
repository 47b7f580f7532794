"""Check: a host that serves the gadgets zero, keyboard, disk (size=8M) and serial is held to the document.

Usage: check.py ADDRESS

ADDRESS is [wslusb+]tcp:[HOST:]PORT or [wslusb+]unix:PATH; the host must expect WSL-USB there (section 2). Each check prints
one line. The exit status is 1 if one of them fails.
"""

from __future__ import annotations

import argparse
import asyncio

import flow
import greeting
import life
import refusal
import transfer
from suite import Suite

SUITES = (greeting.suite, life.suite, transfer.suite, flow.suite, refusal.suite)


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description="holds a host to the document of WSL-USB, version 2")
    parser.add_argument("address", metavar="ADDRESS", help="[wslusb+]tcp:[HOST:]PORT or [wslusb+]unix:PATH")
    address = parser.parse_args().address
    return 0 if asyncio.run(Suite.joined(SUITES).run(address)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
