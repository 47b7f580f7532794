import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { BulkHost } from "../../test/support/bulk-host.ts";
import { Speed } from "../usb/speed.ts";
import { defineDevice } from "./defined-device.ts";
import type { DeviceDefinition } from "./device-definition.ts";

/** Lets promises of the definition get on. */
function turn(host: BulkHost): Promise<void> {
  return new Promise((resolve) =>
    setImmediate(() => {
      host.loop.settle();
      resolve();
    }),
  );
}

function attach(definition: Partial<DeviceDefinition>) {
  const lines: string[] = [];
  const onError = (line: string): void => void lines.push(line);
  const host = new BulkHost(defineDevice({ product: "Thing", onError, ...definition }));
  return { host, lines };
}

test("the descriptors follow from the definition", () => {
  const device = defineDevice({
    product: "Thing",
    interfaceClass: [3, 1, 2],
    classDescriptors: Uint8Array.of(2, 0x21),
    endpoints: [
      { endpoint: 1, type: "interrupt", everyMs: 10, send: () => new Uint8Array(0) },
      { endpoint: 2, receive: () => {} },
    ],
  });
  const wire = annotatedHex(`
    09 02 2200 01 01 00 c0 01   configuration
    09 04 00 00 02 03 01 02 00  interface
    02 21                       of its class
    07 05 81 03 4000 07         interrupt IN, 8 ms
    07 05 02 02 0002 00         bulk OUT`);
  assert.equal(toHex(device.descriptors.subarray(18)), toHex(wire));
  assert.equal(defineDevice({ product: "Slow", speed: Speed.low }).speed, Speed.low);
});

test("a read takes one message, a short one a piece of it; the next waits for its promise", async () => {
  let fulfil!: (bytes: Uint8Array) => void;
  const messages = [Uint8Array.of(1, 2, 3), new Promise<Uint8Array>((resolve) => (fulfil = resolve))];
  const { host } = attach({ endpoints: [{ endpoint: 1, send: () => messages.shift()! }] });
  const first = host.urb(0x81, new Uint8Array(2));
  await turn(host);
  assert.equal(toHex(first.buffer), "0102");
  assert.equal(host.in(64), "03");
  const next = host.urb(0x81, new Uint8Array(64));
  await turn(host);
  assert(host.isPending(next));
  fulfil(Uint8Array.of(4));
  await turn(host);
  assert.equal(toHex(next.buffer.subarray(0, next.actualLength)), "04");
});

test("a transfer is received as a whole, and holds back the next until its promise is fulfilled", async () => {
  const seen: string[] = [];
  let fulfil!: () => void;
  const receive = (bytes: Uint8Array): Promise<void> => {
    seen.push(toHex(bytes));
    return new Promise((resolve) => (fulfil = resolve));
  };
  const { host } = attach({ endpoints: [{ endpoint: 2, receive }] });
  const first = host.urb(0x02, Uint8Array.of(1, 2));
  const second = host.urb(0x02, new Uint8Array(0));
  await turn(host);
  assert.deepEqual(seen, ["0102"]);
  fulfil();
  await turn(host);
  assert.deepEqual([host.isPending(first), host.isPending(second), seen], [false, true, ["0102", ""]]);
  // A transfer that its host takes back is not the one that is answered next, though its promise is late.
  host.device.cancel(second);
  host.device.flush();
  const third = host.urb(0x02, Uint8Array.of(3));
  await turn(host);
  assert.deepEqual([host.isPending(second), host.isPending(third), seen.length], [false, true, 2]);
  fulfil();
  await turn(host);
  assert.deepEqual(seen, ["0102", "", "03"]);
});

test("requests are answered in order, late ones too", async () => {
  const answers: ((bytes: Uint8Array) => void)[] = [];
  const { host } = attach({
    control: ({ bRequest, wValue, data }) => {
      if (bRequest === 1) return new Promise((resolve) => answers.push(resolve));
      if (bRequest === 2) return Uint8Array.of(wValue);
      assert.deepEqual([bRequest, toHex(data)], [3, "aabb"]);
      return undefined;
    },
  });
  const slow = host.controlUrb("c0 01 0000 0000 0400");
  const quick = host.controlUrb("c0 02 0500 0000 0400");
  const standard = host.controlUrb("80 08 0000 0000 0100");
  const out = host.controlUrb("40 03 0000 0000 0200", "aabb");
  await turn(host);
  assert.deepEqual(
    [slow, quick, standard, out].map((urb) => host.isPending(urb)),
    [true, true, true, true],
  );
  answers[0]!(Uint8Array.of(9, 9));
  for (let i = 0; i < 4; i++) await turn(host);
  assert.deepEqual(
    [slow, quick, standard, out].map((urb) => [urb.status, urb.actualLength]),
    [
      [0, 2],
      [0, 1],
      [0, 1],
      [0, 2],
    ],
  );
  assert.equal(quick.buffer[0], 5);
});

test("a request that is cancelled is forgotten, whatever its promise does later", async () => {
  const answers: ((bytes: Uint8Array) => void)[] = [];
  const { host } = attach({ control: () => new Promise((resolve) => answers.push(resolve)) });
  const first = host.controlUrb("c0 01 0000 0000 0400");
  await turn(host);
  host.device.cancel(first);
  host.device.flush();
  const second = host.controlUrb("c0 01 0000 0000 0400");
  await turn(host);
  answers[0]!(Uint8Array.of(1));
  await turn(host);
  assert.deepEqual([host.isPending(first), host.isPending(second), first.actualLength], [false, true, 0]);
  answers[1]!(Uint8Array.of(2));
  await turn(host);
  assert.deepEqual([host.isPending(second), second.buffer[0]], [false, 2]);
});

test("what is thrown becomes a stall and one line, and the device goes on", async () => {
  let failing = true;
  const fail = (): void => {
    if (failing) throw new Error("no sensor");
  };
  const { host, lines } = attach({
    endpoints: [
      {
        endpoint: 1,
        async send() {
          fail();
          return Uint8Array.of(1);
        },
      },
      { endpoint: 2, receive: () => fail() },
    ],
    control() {
      fail();
      return "text" as unknown as Uint8Array;
    },
  });
  const urbs = [
    host.urb(0x81, new Uint8Array(8)),
    host.urb(0x02, Uint8Array.of(1)),
    host.controlUrb("c0 2a 0000 0000 0400"),
  ];
  await turn(host);
  assert.deepEqual(
    urbs.map(({ status }) => status),
    [1, 1, 1],
  );
  assert.deepEqual(lines.toSorted(), [
    "Thing: receive of endpoint 2 failed, the guest sees a stall: no sensor",
    "Thing: request 0x2a failed, the guest sees a stall: no sensor",
    "Thing: send of endpoint 1 failed, the guest sees a stall: no sensor",
  ]);
  failing = false;
  assert.equal(host.in(8), "stall", "halted as any endpoint");
  host.clearHalt(0x81);
  const read = host.urb(0x81, new Uint8Array(8));
  const wrong = host.controlUrb("c0 2a 0000 0000 0400");
  await turn(host);
  assert.deepEqual([read.actualLength, wrong.status], [1, 1]);
  assert.match(lines.at(-1)!, /a Uint8Array is needed, this is string/);
});
