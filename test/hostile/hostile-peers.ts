import { setTimeout as sleep } from "node:timers/promises";
import { joined } from "../fuzz/mutation.ts";
import { AT, DEVLIST, HEADER, importOf, putWord, submit, unlink } from "../fuzz/usbip-message.ts";
import { type Peer, to } from "./peer.ts";

/** A peer that means harm, or is broken. */
export interface HostilePeer {
  readonly name: string;
  /** Code of the one line that tells of its end. */
  readonly code: string;
  /** `busid` is a zero gadget that nobody else uses. */
  act(peer: Peer, busid: string): Promise<void> | void;
}

/** More than any buffer on the way holds. */
const FLOOD_BYTES = 64 << 20;
const CHUNK_BYTES = 64 << 10;

function handshake(name: string, code: string, ...messages: readonly Uint8Array[]): HostilePeer {
  return { name, code, act: (peer) => peer.send(...messages) };
}

/** Imports a device, brings it into its loopback configuration, where reads stay pending, and goes on. */
function attached(
  name: string,
  code: string,
  act: (peer: Peer, devid: number) => Promise<void> | void,
): HostilePeer {
  return {
    name,
    code,
    act: async (peer, busid) => {
      const devid = await peer.import(busid);
      peer.send(to(devid, submit({ seqnum: 1, ep: 0, length: 0, setup: "0009020000000000" })));
      await peer.read(HEADER);
      await act(peer, devid);
    },
  };
}

function wrong(name: string, code: string, message: Uint8Array, at: number, value: number): HostilePeer {
  return attached(name, code, (peer, devid) => {
    const bytes = to(devid, message.slice());
    putWord(bytes, at, value);
    peer.send(bytes);
  });
}

/** Stops reading and sends the same without end. */
function deafFlood(name: string, message: (devid: number) => Uint8Array): HostilePeer {
  return attached(name, "PEER_NOT_READING", async (peer, devid) => {
    const once = message(devid);
    const chunk = joined(Array.from({ length: Math.ceil(CHUNK_BYTES / once.length) }, () => once));
    await peer.flood(chunk, FLOOD_BYTES / CHUNK_BYTES);
  });
}

const READ = submit({ seqnum: 9, ep: 1, in: true, length: 512 });
const WRITE = submit({ seqnum: 10, ep: 1, length: 512 });
const VERSION = 0;
const CODE = 2;

function changed(message: Uint8Array, at: number, ...bytes: readonly number[]): Uint8Array {
  const copy = message.slice();
  copy.set(bytes, at);
  return copy;
}

export const HOSTILE_PEERS: readonly HostilePeer[] = [
  handshake("garbage", "BAD_VERSION", new Uint8Array(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))),
  handshake("a wrong version", "BAD_VERSION", changed(DEVLIST, VERSION, 1, 0)),
  handshake("an unknown operation", "BAD_COMMAND", changed(DEVLIST, CODE, 0x80, 7)),
  handshake("a reply instead of a request", "BAD_COMMAND", changed(DEVLIST, CODE, 0, 5)),
  handshake("a status in a request", "BAD_FIELD", changed(DEVLIST, 4, 0, 0, 0, 1)),
  handshake("garbage behind a list", "BAD_VERSION", DEVLIST, new Uint8Array(100)),
  handshake("half a request, and silence", "HANDSHAKE_TIMEOUT", importOf("zero").subarray(0, 39)),
  handshake("silence", "HANDSHAKE_TIMEOUT"),
  {
    name: "a request that drips",
    code: "HANDSHAKE_TIMEOUT",
    act: async (peer) => {
      for (const byte of importOf("zero").subarray(0, 30)) {
        peer.send(Uint8Array.of(byte));
        await sleep(120);
      }
    },
  },
  {
    name: "thousands of imports of a device in use in one write",
    code: "OK",
    act: async (peer) => {
      peer.send(joined(Array.from({ length: 8000 }, () => importOf("zero"))));
      await peer.read(8000 * 8);
      peer.socket.end();
    },
  },
  {
    name: "lists without end by a peer that does not read",
    code: "PEER_NOT_READING",
    act: async (peer) => {
      const lists = joined(Array.from({ length: CHUNK_BYTES / DEVLIST.length }, () => DEVLIST));
      await peer.flood(lists, FLOOD_BYTES / CHUNK_BYTES);
    },
  },
  wrong("a giant length", "BAD_LENGTH", WRITE, AT.length, 0x7fffffff),
  wrong("a negative length", "BAD_LENGTH", READ, AT.length, 0xffffffff),
  wrong("too many packets", "BAD_LENGTH", READ, AT.numberOfPackets, 1025),
  wrong("an endpoint number that cannot be", "BAD_FIELD", READ, AT.ep, 16),
  wrong("a direction that cannot be", "BAD_FIELD", READ, AT.direction, 2),
  wrong("another devid", "BAD_DEVICE", READ, AT.devid, 0x00010001),
  wrong("another devid in an unlink", "BAD_DEVICE", unlink(9, 1), AT.devid, 0x00010001),
  wrong("an unknown command", "BAD_COMMAND", READ, AT.command, 5),
  attached("a seqnum that is in flight", "DUPLICATE_SEQNUM", (peer, devid) => {
    peer.send(to(devid, READ.slice()), to(devid, READ.slice()));
  }),
  attached("a reset in the middle of a header", "LINK_LOST", async (peer, devid) => {
    peer.send(to(devid, READ.slice()).subarray(0, 20));
    await sleep(20);
    peer.socket.resetAndDestroy();
  }),
  attached("a reset in the middle of data, with transfers pending", "LINK_LOST", async (peer, devid) => {
    peer.send(to(devid, READ.slice()), to(devid, WRITE.slice()).subarray(0, 200));
    await sleep(20);
    peer.socket.resetAndDestroy();
  }),
  attached("an end in the middle of data", "OK", (peer, devid) => {
    peer.send(to(devid, READ.slice()), to(devid, WRITE.slice()).subarray(0, 200));
    peer.socket.end();
  }),
  attached("much data that is not read", "PEER_NOT_READING", async (peer, devid) => {
    peer.send(to(devid, submit({ seqnum: 2, ep: 0, length: 0, setup: "0009030000000000" })));
    await peer.read(HEADER);
    peer.socket.pause();
    for (let seqnum = 3; seqnum < 60; seqnum++) {
      peer.send(to(devid, submit({ seqnum, ep: 1, in: true, length: 1 << 20 })));
    }
  }),
  deafFlood("unlinks without end by a peer that does not read", (devid) => to(devid, unlink(9, 1))),
  deafFlood("unlinks of what never comes", (devid) => to(devid, unlink(9, 1000))),
  deafFlood("refused submits without end by a peer that does not read", (devid) =>
    to(devid, submit({ seqnum: 9, ep: 9, in: true, length: 64 })),
  ),
  deafFlood("refused packets without end by a peer that does not read", (devid) =>
    to(
      devid,
      submit({ seqnum: 9, ep: 1, in: true, length: 64, packets: Array.from({ length: 1024 }, () => 0) }),
    ),
  ),
];
