import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { RingPair } from "../../test/support/ring-pair.ts";
import { RingVisitor } from "../../test/support/ring-visitor.ts";
import { MessageType, StreamFlag, StreamPart } from "./messages.ts";
import type { RingStream } from "./streams.ts";

/** What one end of a stream has heard. */
class Ear {
  readonly stream: RingStream;
  heard = Buffer.alloc(0);
  ends = 0;

  constructor(stream: RingStream) {
    this.stream = stream;
  }

  start(): this {
    this.stream.start(
      (bytes) => {
        this.heard = Buffer.concat([this.heard, bytes]);
      },
      () => {
        this.ends++;
      },
    );
    return this;
  }

  say(text: string): void {
    this.stream.write([Buffer.from(text)], () => {});
  }
}

function part(stream: number, flags: number): Uint8Array {
  return StreamPart.encode({ stream, flags, reserved: new Uint8Array(8) });
}

interface Streaming {
  readonly pair: RingPair;
  /** Those that the host has accepted. */
  readonly accepted: RingStream[];
  readonly idle: string[];
  readonly dial: () => Ear;
}

function streaming(): Streaming {
  const accepted: RingStream[] = [];
  const idle: string[] = [];
  const pair = new RingPair(new ManualLoop(), {
    hostOutput: {
      streams: { peer: "the guest", accepted: (stream) => accepted.push(stream) },
      idle: () => idle.push("host"),
    },
    guestOutput: { idle: () => idle.push("guest") },
  });
  pair.start();
  const dial = (): Ear => {
    const stream = pair.guest.dial("the host");
    assert(stream !== undefined);
    return new Ear(stream);
  };
  return { pair, accepted, idle, dial };
}

test("STREAM stands as the document says", () => {
  assert.deepEqual(
    [MessageType.STREAM, StreamPart.size, StreamFlag.OPEN, StreamFlag.END, StreamFlag.CUT],
    [50, 16, 1, 2, 4],
  );
  const body = StreamPart.encode({ stream: 0x01020304, flags: 2, reserved: new Uint8Array(8) });
  assert.equal(Buffer.from(body).toString("hex"), "04030201020000000000000000000000");
});

test("bytes pass both ways, in order, also those that came before somebody read", () => {
  const { pair, accepted, dial } = streaming();
  const guest = dial();
  guest.say("early ");
  pair.settle();
  assert.deepEqual([accepted.length, accepted[0]?.peer, guest.stream.peer], [1, "the guest", "the host"]);
  const host = new Ear(accepted[0]!).start();
  host.say("welcome");
  guest.start().say("late");
  pair.settle();
  assert.deepEqual([host.heard.toString(), guest.heard.toString()], ["early late", "welcome"]);
});

test("more than a message holds arrives whole", () => {
  const { pair, accepted, dial } = streaming();
  const guest = dial().start();
  pair.settle();
  const host = new Ear(accepted[0]!).start();
  const sent = Buffer.alloc(300_000, "streams of bytes ");
  host.stream.write([sent.subarray(0, 7), sent.subarray(7)], () => {});
  pair.settle();
  assert(guest.heard.equals(sent));
});

test("both sides end once, whichever ends first, and what was written before arrives", () => {
  for (const first of ["guest", "host"] as const) {
    const { pair, accepted, idle, dial } = streaming();
    const guest = dial().start();
    pair.settle();
    const host = new Ear(accepted[0]!).start();
    const [one, other] = first === "guest" ? [guest, host] : [host, guest];
    one.say("the last");
    one.stream.end();
    one.say("nobody hears this");
    pair.settle();
    assert.deepEqual([one.ends, other.ends, other.heard.toString()], [1, 1, "the last"]);
    assert.deepEqual(idle.toSorted(), ["guest", "host"]);
  }
});

test("one that is cut is over at both ends, and what is on its way to it is nobody's", () => {
  const { pair, accepted, dial } = streaming();
  const guest = dial().start();
  pair.settle();
  const host = new Ear(accepted[0]!).start();
  host.say("too late");
  guest.stream.destroy();
  guest.stream.destroy();
  pair.settle();
  assert.deepEqual([guest.ends, host.ends, guest.heard.length], [1, 1, 0]);
  assert.deepEqual([pair.hostEnds, pair.guestEnds], [[], []]);
});

test("with its session every stream is over", () => {
  const { pair, accepted, dial } = streaming();
  const guest = dial().start();
  pair.settle();
  const host = new Ear(accepted[0]!).start();
  pair.host.stop(() => {});
  pair.settle();
  assert.deepEqual([guest.ends, host.ends], [1, 1]);
  assert.equal(pair.guest.dial("the host"), undefined);
});

test("a host that takes none is not asked, and ends a guest that asks all the same", () => {
  const pair = new RingPair(new ManualLoop());
  pair.start();
  assert.equal(pair.guest.dial("the host"), undefined);
  const visitor = new RingVisitor([]);
  visitor.greet();
  visitor.wire.send(50, 0, 0, part(1, StreamFlag.OPEN));
  visitor.exchange();
  assert.match(visitor.pair.hostEnds.join(), /^BAD_FIELD.*stream 1 is opened/);
});

test("a part without its head is truncated, and one of no stream is nobody's", () => {
  const visitor = new RingVisitor([]);
  visitor.greet();
  visitor.wire.send(50, 0, 0, part(77, 0));
  visitor.exchange();
  assert.deepEqual(visitor.pair.hostEnds, []);
  visitor.wire.send(50, 0, 0, part(1, StreamFlag.OPEN).subarray(0, 15));
  visitor.exchange();
  assert.match(visitor.pair.hostEnds.join(), /^TRUNCATED/);
});

test("a guest that asks for more than it reads ends its session", () => {
  const { pair, accepted, dial } = streaming();
  const guest = dial().start();
  pair.settle();
  const host = new Ear(accepted[0]!).start();
  pair.isManual = true;
  host.stream.write([new Uint8Array(17 << 20)], () => {});
  guest.say("more");
  while (pair.host.poll());
  assert.match(pair.hostEnds.join(), /^FLOOD/);
});

test("there are 64 at a time, and one that ends makes room", () => {
  const { pair, accepted, dial } = streaming();
  const ears = Array.from({ length: 64 }, () => dial().start());
  assert.equal(pair.guest.dial("the host"), undefined);
  pair.settle();
  assert.equal(accepted.length, 64);
  ears[0]!.stream.destroy();
  dial();
  pair.settle();
  assert.equal(accepted.length, 65);
});

test("who sends without end before anybody reads is cut", () => {
  const { pair, accepted, dial } = streaming();
  const guest = dial().start();
  guest.stream.write([new Uint8Array(70_000)], () => {});
  pair.settle();
  assert.equal(guest.ends, 1);
  const host = new Ear(accepted[0]!).start();
  pair.settle();
  assert.equal(host.ends, 1);
  assert.deepEqual(pair.hostEnds, []);
});

test("a written chunk comes back behind the call", () => {
  const { pair, dial } = streaming();
  const guest = dial();
  let written = 0;
  guest.stream.write([Uint8Array.of(1)], () => written++);
  assert.equal(written, 0);
  pair.settle();
  assert.equal(written, 1);
  guest.stream.destroy();
  guest.stream.write([Uint8Array.of(1)], () => written++);
  pair.settle();
  assert.equal(written, 2);
});
