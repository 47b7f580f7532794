import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Control, RingHeader, Side } from "../../src/ring/layout.ts";
import {
  BODY,
  Breaker,
  CancelAck,
  DeviceAck,
  DeviceAdded,
  DeviceRemoved,
  DeviceRequest,
  Heartbeat,
  IsoComplete,
  IsoSubmit,
  MessageHeader,
  MessageType,
  Negotiate,
  NegotiateResponse,
  Shutdown,
  StatsResponse,
  UrbComplete,
  UrbSubmit,
} from "../../src/ring/messages.ts";
import { EndReason, Status } from "../../src/ring/status.ts";
import type { Fields, Struct } from "../../src/wire/struct.ts";

const document = readFileSync(
  fileURLToPath(new URL("../../../docs/protocols/ring.md", import.meta.url)),
  "utf8",
);

/** [offset, size, name] of the rows of the tables in a section. */
function rowsOf(title: string): [number, number, string][] {
  const [, text] = new RegExp(`^### ${title}[^\\n]*\\n([^]*?)^##`, "m").exec(document) ?? [];
  assert(text !== undefined, title);
  return [...text.matchAll(/^\| +0x([0-9a-f]+) \| +(\d+) \| `(\w+)`/gm)].map(([, offset, size, name]) => [
    Number.parseInt(offset!, 16),
    Number(size),
    name!,
  ]);
}

/** [offset, size, name] of the fields of a struct that stands at `base`, without what is reserved. */
function fieldsOf(struct: Struct<Fields>, base: number): [number, number, string][] {
  let at = base;
  const rows: [number, number, string][] = [];
  for (const [name, { size }] of Object.entries(struct.fields)) {
    if (!/^(reserved|pad)$/.test(name)) rows.push([at, size, name]);
    at += size;
  }
  return rows;
}

test("the control block of the document is that of the code", () => {
  const words: Readonly<Record<string, number>> = {
    ...Control,
    ...Object.fromEntries(
      (["host", "guest"] as const).flatMap((side) =>
        Object.entries(Side).map(([name, at]) => [`${side}_${name}`, Control[side] + at]),
      ),
    ),
    version_major: Control.version,
    version_minor: Control.version + 2,
  };
  const rows = rowsOf("2.1 Control block");
  for (const [offset, , name] of rows) assert.equal(words[name], offset, name);
  const left = Object.keys(words).filter((name) => rows.every(([, , told]) => told !== name));
  assert.deepEqual(left, ["version", "host", "guest"]);
});

test("the ring header of the document is that of the code", () => {
  assert.deepEqual(
    Object.fromEntries(rowsOf("2.3 Ring header").map(([offset, , name]) => [name, offset])),
    RingHeader,
  );
});

test("the fields of the header and of URB_SUBMIT are those of the document", () => {
  const header = fieldsOf(MessageHeader as unknown as Struct<Fields>, 0).filter(
    ([, , name]) => name !== "timestamp_high",
  );
  const [timestamp] = header.slice(-1);
  timestamp![1] = 8;
  assert.deepEqual(rowsOf("6.1 Header"), header);
  assert.deepEqual(rowsOf("8.1 URB_SUBMIT"), fieldsOf(UrbSubmit as unknown as Struct<Fields>, BODY));
});

const BODIES: Readonly<Partial<Record<keyof typeof MessageType, unknown>>> = {
  NEGOTIATE: Negotiate,
  NEGOTIATE_RESP: NegotiateResponse,
  DEVICE_REMOVED: DeviceRemoved,
  DEVICE_ADD_ACK: DeviceAck,
  DEVICE_RESET: DeviceRequest,
  DEVICE_RESET_ACK: DeviceAck,
  DEVICE_RELEASE: DeviceRequest,
  HEARTBEAT: Heartbeat,
  HOST_SHUTDOWN: Shutdown,
  URB_CANCEL: DeviceRequest,
  URB_CANCEL_ACK: CancelAck,
  CIRCUIT_BREAKER_TRIP: Breaker,
  STATS_REQUEST: DeviceRequest,
  STATS_RESPONSE: StatsResponse,
};

test("the types of messages, their lengths and their fields are those of the document", () => {
  const rows = [
    ...document.matchAll(
      /^\| +(\d+) \| _?([A-Z_]+?)_? +\| (?:guest|host|both) +\| (\d+)[^|]*\| (.*?) *\|$/gm,
    ),
  ];
  assert.deepEqual(Object.fromEntries(rows.map(([, type, name]) => [name, Number(type)])), MessageType);
  for (const [, , name, size, fields] of rows) {
    const struct = BODIES[name as keyof typeof MessageType] as Struct<Fields> | undefined;
    if (struct === undefined) continue;
    assert.equal(BODY + struct.size, Number(size), name);
    const told = [...fields!.matchAll(/0x([0-9a-f]+) (?:[iu]\d+ )?`(\w+)`/g)];
    const own = new Map(fieldsOf(struct, BODY).map(([at, , field]) => [field, at]));
    for (const [, offset, field] of told)
      assert.equal(own.get(field!), Number.parseInt(offset!, 16), `${name} ${field}`);
    if (name !== "STATS_RESPONSE") {
      const words = Array.from(own.keys()).filter((field) => !field.endsWith("_high"));
      assert.equal(told.length, words.length, `fields of ${name}`);
    }
  }
});

/** [field, offset] of what a text says. */
function saidIn(text: string): [string, number][] {
  return [...text.matchAll(/0x([0-9a-f]{2})\s+(?:[iu]\d+\s+)?`(\w+)`/g)].map(([, at, name]) => [
    name!,
    Number.parseInt(at!, 16),
  ]);
}

/** What begins so, up to its end or its first semicolon. */
function paragraph(start: string): string {
  return /^.*?(?=\n\n|;)/s.exec(document.slice(document.indexOf(start)))![0];
}

test("the fields that the document tells in words stand where it says", () => {
  for (const [name, struct] of [
    ["DEVICE_ADDED: 0x20", DeviceAdded],
    ["ISO_SUBMIT: 0x20", IsoSubmit],
    ["ISO_COMPLETE: 0x20", IsoComplete],
  ] as const) {
    const own = fieldsOf(struct as unknown as Struct<Fields>, BODY).map(([at, , field]) => [field, at]);
    assert.deepEqual(saidIn(paragraph(name)), own, name);
  }
  const own = new Map(
    fieldsOf(UrbComplete as unknown as Struct<Fields>, BODY).map(([at, , field]) => [field, at]),
  );
  const fields = saidIn(
    paragraph("0x20 `device_id`, 0x24 `endpoint`, 0x28 i32 `status`, 0x2c `actual_length`"),
  );
  assert.deepEqual(fields, Array.from(own));
});

test("the numbers of statuses and of ends are those of the document", () => {
  const numbers = new Set(
    [...document.matchAll(/\| +_?(-?\d+)_? +\| _?[A-Za-z]/g)].map(([, number]) => Number(number)),
  );
  for (const [name, number] of Object.entries(Status)) assert(numbers.has(number), `${name} ${number}`);
  const [ends] = /`host_end`, `guest_end`: .*?\n\n|$/s.exec(document)!;
  for (const [name, reason] of Object.entries(EndReason)) {
    const word = name === "NONE" ? "none" : name === "LEFT" ? "left" : name;
    assert.match(ends, new RegExp(`\\b${reason} ${word}`), name);
  }
});
