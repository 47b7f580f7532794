import { readFileSync } from "node:fs";
import { DEVLIST, EVENTS, importOf, submit, unlink } from "./usbip-message.ts";

/** The messages of a client, in order. The URB phase begins behind the first import of "1-2". */
export type Session = readonly Uint8Array[];

interface Recording {
  readonly sessions: Readonly<Record<string, readonly (readonly ["C" | "S", string])[]>>;
}

/** What a real kernel sent, one message a piece. */
function recorded(): Session[] {
  const url = new URL("../../../test/vectors/vhci-6.12-sessions.json", import.meta.url);
  const recording: Recording = JSON.parse(readFileSync(url, "utf8"));
  return Object.values(recording.sessions).map((session) => {
    const sent = session.filter(([side]) => side === "C");
    return [importOf("1-2")].concat(sent.map(([, hex]) => new Uint8Array(Buffer.from(hex, "hex"))));
  });
}

const IMPORT = importOf("1-2");

/** Sessions by hand, for what a kernel does seldom or never. Endpoints are those of `ScriptedDevice`. */
const BY_HAND: readonly Session[] = [
  [DEVLIST],
  [EVENTS, DEVLIST, EVENTS, IMPORT, submit({ seqnum: 1, ep: 1, in: true, length: 64 })],
  [DEVLIST, importOf("9-9"), importOf("1-3"), importOf("1-4"), DEVLIST, IMPORT],
  // Bulk: full, short, empty, too much, a negative count, a stall.
  [
    IMPORT,
    submit({ seqnum: 1, ep: 1, in: true, length: 64 }),
    submit({ seqnum: 2, ep: 1, length: 64 }),
    submit({ seqnum: 3, ep: 4, in: true, length: 100 }),
    submit({ seqnum: 4, ep: 6, in: true, length: 32 }),
    submit({ seqnum: 5, ep: 7, in: true, length: 32 }),
    submit({ seqnum: 6, ep: 5, length: 8 }),
    submit({ seqnum: 7, ep: 1, length: 0 }),
  ],
  // Cancels: in flight, finished, unknown, twice, and the seqnum used again.
  [
    IMPORT,
    submit({ seqnum: 1, ep: 2, in: true, length: 8, interval: 8 }),
    submit({ seqnum: 2, ep: 2, in: true, length: 8 }),
    unlink(3, 1),
    submit({ seqnum: 4, ep: 1, in: true, length: 16 }),
    unlink(5, 4),
    unlink(6, 99),
    unlink(7, 2),
    unlink(8, 2),
    submit({ seqnum: 1, ep: 2, in: true, length: 8 }),
    unlink(9, 1),
  ],
  // Slow endpoints: answers overtake each other, a cancel comes in time or late.
  [
    IMPORT,
    submit({ seqnum: 10, ep: 9, in: true, length: 24 }),
    submit({ seqnum: 11, ep: 8, length: 12 }),
    submit({ seqnum: 12, ep: 1, in: true, length: 5 }),
    unlink(13, 10),
    submit({ seqnum: 14, ep: 9, in: true, length: 24 }),
    unlink(15, 11),
  ],
  // Isochronous: unequal packets, gaps, no packets at all, packets outside and on one another.
  [
    IMPORT,
    submit({ seqnum: 1, ep: 3, in: true, length: 300, packets: [100, 0, 50, 100, 50], flags: 0x202 }),
    submit({ seqnum: 2, ep: 3, length: 90, packets: [10, 20, 30], gap: 10, flags: 2 }),
    submit({ seqnum: 3, ep: 3, in: true, length: 64, packets: [16, 16, 16], gap: 8 }),
    submit({ seqnum: 4, ep: 3, in: true, length: 0, packets: [] }),
    submit({ seqnum: 5, ep: 3, in: true, length: 10, packets: [10, 10] }),
    submit({ seqnum: 6, ep: 1, in: true, length: 10, packets: [10] }),
    submit({ seqnum: 7, ep: 3, length: 30, packets: [20, 10], gap: -5 }),
  ],
  // Control: data both ways, a wrong direction, configurations and settings that change the endpoints.
  [
    IMPORT,
    submit({ seqnum: 1, ep: 0, in: true, length: 18, setup: "8006000100001200" }),
    submit({ seqnum: 2, ep: 0, length: 4, setup: "4001000000000400" }),
    submit({ seqnum: 3, ep: 0, in: true, length: 4, setup: "4001000000000400" }),
    submit({ seqnum: 4, ep: 0, length: 0, setup: "010b010001000000" }),
    submit({ seqnum: 5, ep: 10, in: true, length: 9 }),
    submit({ seqnum: 6, ep: 0, length: 0, setup: "0009020000000000" }),
    submit({ seqnum: 7, ep: 1, in: true, length: 9 }),
    submit({ seqnum: 8, ep: 12, in: true, length: 9 }),
    unlink(9, 7),
    submit({ seqnum: 10, ep: 0, length: 0, setup: "0009010000000000" }),
    submit({ seqnum: 11, ep: 1, in: true, length: 9 }),
  ],
  // PORT_RESET with transfers in flight, cancelled, and its seqnum used again.
  [
    IMPORT,
    submit({ seqnum: 1, ep: 2, in: true, length: 8 }),
    submit({ seqnum: 2, ep: 0, length: 0, setup: "2303040000000000" }),
    unlink(3, 2),
    submit({ seqnum: 2, ep: 2, in: true, length: 8 }),
    submit({ seqnum: 4, ep: 0, length: 0, setup: "0009010000000000" }),
    submit({ seqnum: 5, ep: 2, in: true, length: 8 }),
    unlink(6, 5),
  ],
  // The same, and what has the seqnum next is cancelled in its turn, before and behind the end of the reset.
  [
    IMPORT,
    submit({ seqnum: 1, ep: 0, length: 0, setup: "2303040000000000" }),
    unlink(2, 1),
    submit({ seqnum: 1, ep: 2, in: true, length: 8 }),
    submit({ seqnum: 3, ep: 1, length: 250 }),
    unlink(4, 1),
    submit({ seqnum: 1, ep: 0, length: 0, setup: "2303040000000000" }),
    unlink(5, 1),
    submit({ seqnum: 1, ep: 2, in: true, length: 8 }),
    submit({ seqnum: 6, ep: 1, length: 250 }),
    submit({ seqnum: 1, ep: 2, in: true, length: 8 }),
  ],
];

export const SESSIONS: readonly Session[] = [...BY_HAND, ...recorded()];
