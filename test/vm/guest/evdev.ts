/** Prints what an input device reports, one line of JSON per event: `node evdev.js /dev/input/eventN`. */
import { openSync, readSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** struct input_event without its time (linux: include/uapi/linux/input.h) */
export interface InputEvent {
  readonly type: number;
  readonly code: number;
  readonly value: number;
}

const EVENT_SIZE = 24;

export function parseInputEvents(bytes: Buffer): InputEvent[] {
  const events: InputEvent[] = [];
  for (let at = 0; at + EVENT_SIZE <= bytes.length; at += EVENT_SIZE)
    events.push({
      type: bytes.readUInt16LE(at + 16),
      code: bytes.readUInt16LE(at + 18),
      value: bytes.readInt32LE(at + 20),
    });
  return events;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = process.argv[2];
  if (path === undefined) throw new Error("usage: evdev.js /dev/input/eventN");
  const device = openSync(path, "r");
  console.log('{"ready":true}'); // from here on no event is missed
  const buffer = Buffer.alloc(EVENT_SIZE * 64);
  for (;;) {
    const length = readSync(device, buffer);
    if (length === 0) break;
    for (const event of parseInputEvents(buffer.subarray(0, length))) console.log(JSON.stringify(event));
  }
}
