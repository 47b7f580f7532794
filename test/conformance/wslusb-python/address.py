"""Addresses: where a host listens, as text (section 2)."""

from __future__ import annotations

import asyncio

PROTOCOL_PREFIX = "wslusb+"
DEFAULT_HOST = "127.0.0.1"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(address: str) -> Streams:
    """Connect to `[wslusb+]tcp:[HOST:]PORT` or `[wslusb+]unix:PATH`."""
    kind, _, rest = address.removeprefix(PROTOCOL_PREFIX).partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(rest)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        return await asyncio.open_connection(host or DEFAULT_HOST, int(port))
    raise ValueError(f"{address} is neither tcp:[HOST:]PORT nor unix:PATH")
