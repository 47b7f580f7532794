import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADER, submit } from "../fuzz/usbip-message.ts";
import { Peer, to } from "../hostile/peer.ts";
import { call, type Reply } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";

const REPORT = 8;

function type(daemon: ApiDaemon, busid: string, text: string): Promise<Reply> {
  return call(daemon.place, {
    method: "POST",
    path: `/v1/gadgets/${busid}/text`,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text }),
  });
}

/** Imports the keyboard and configures it; its reads follow. */
async function take(
  daemon: ApiDaemon,
): Promise<{ readonly peer: Peer; readonly read: () => Promise<string> }> {
  const peer = await Peer.connect(Number(daemon.usbip.split(":")[2]));
  const devid = await peer.import("keyboard");
  peer.send(to(devid, submit({ seqnum: 1, ep: 0, length: 0, setup: "0009010000000000" })));
  await peer.read(HEADER);
  let seqnum = 1;
  const read = async (): Promise<string> => {
    peer.send(to(devid, submit({ seqnum: ++seqnum, ep: 1, in: true, length: REPORT })));
    return (await peer.read(HEADER + REPORT)).toString("hex").slice(2 * HEADER);
  };
  return { peer, read };
}

for (const plane of ["worker", "main"]) {
  test(`a text is typed on the keyboard that a guest has (data plane: ${plane})`, async (context) => {
    const daemon = await ApiDaemon.start(context, "serve", "--gadget", "keyboard", "--data-plane", plane);
    const { peer, read } = await take(daemon);
    const typed = await type(daemon, "keyboard", "hI");
    assert.deepEqual(
      [typed.status, JSON.parse(typed.text)],
      [200, { busid: "keyboard", keys: 2 }],
      typed.text,
    );
    assert.deepEqual(
      [await read(), await read(), await read(), await read()],
      ["00000b0000000000", "0000000000000000", "02000c0000000000", "0000000000000000"],
    );
    assert.equal((await type(daemon, "keyboard", "x".repeat(8_192))).status, 200);
    const full = await type(daemon, "keyboard", "y");
    assert.equal(full.status, 409);
    assert.match(full.text, /0 of 8192 are free; wait until the host has read more/);
    peer.socket.destroy();
    await daemon.stop();
  });
}

test("what cannot be typed is refused, and says why", async (context) => {
  const daemon = await ApiDaemon.start(context, "serve", "--gadget", "keyboard", "--gadget", "mouse");
  for (const [busid, text, status, reason] of [
    ["keyboard", "x", 409, /no guest has keyboard, so nobody would read what is typed/],
    ["keyboard", "\u20ac", 422, /"\u20ac" \(U\+20ac\) is not on the US keyboard layout/],
    ["mouse", "x", 422, /mouse is a mouse: text is typed on a keyboard/],
    ["nothing", "x", 404, /no gadget has this bus id/],
    ["keyboard", "", 400, /the body/],
    ["keyboard", "x".repeat(8_193), 400, /the body/],
  ] as const) {
    const reply = await type(daemon, busid, text);
    assert.equal(reply.status, status, reply.text);
    assert.match((JSON.parse(reply.text) as { message: string }).message, reason);
  }
  await daemon.stop();
});
