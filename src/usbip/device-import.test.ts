import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../test/support/annotated-hex.ts";
import { IMPORT } from "../../test/support/usbip-wire-client.ts";
import { RECORD } from "../../test/support/usbip-wire-server.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { DeviceImportRequest, type ImportAnswer, ImportRefusal } from "./device-import.ts";
import { DeviceRecord } from "./pdu.ts";

const head = (status: number) => Uint8Array.of(1, 0x11, 0, 3, 0, 0, 0, status);
const REPLY = Uint8Array.from([...head(0), ...DeviceRecord.encode(RECORD)]);

function ask(...pieces: readonly Uint8Array[]): { answer: ImportAnswer | undefined; rest: string } {
  const result = { answer: undefined as ImportAnswer | undefined, rest: "" };
  let answers = 0;
  const request = new DeviceImportRequest("1-2", (answer, rest) => {
    result.answer = answer;
    result.rest = toHex(rest);
    answers++;
  });
  for (const piece of pieces) request.receive(piece);
  if (answers === 0) request.ended();
  assert.equal(answers, 1);
  return result;
}

test("the request has the layout of the document", () => {
  assert.deepEqual(new DeviceImportRequest("1-2", () => {}).request, IMPORT);
});

test("a reply cut anywhere gives the device, and what follows it", () => {
  for (let at = 0; at <= REPLY.length; at++) {
    const whole = Uint8Array.from([...REPLY, 0xee]);
    assert.deepEqual(ask(whole.subarray(0, at), whole.subarray(at)), {
      answer: RECORD,
      rest: at < REPLY.length ? "ee" : "",
    });
  }
});

test("a refusal ends with its status", () => {
  const { answer } = ask(head(2));
  assert(answer instanceof ImportRefusal);
  assert.equal(answer.status, 2);
});

test("what is no answer is a protocol error", () => {
  const cases: readonly (readonly [Uint8Array, string])[] = [
    [REPLY.subarray(0, 319), "TRUNCATED"],
    [REPLY.with(1, 0x12), "BAD_VERSION"],
    [REPLY.with(3, 5), "BAD_COMMAND"],
    [REPLY.with(8 + 256, 0x32), "BAD_FIELD"],
  ];
  for (const [bytes, code] of cases) {
    const { answer } = ask(bytes);
    assert(answer instanceof ProtocolError);
    assert.equal(answer.code, code);
  }
});
