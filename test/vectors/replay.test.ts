import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Setup } from "../../src/usb/setup.ts";
import { Speed } from "../../src/usb/speed.ts";
import { UsbipServer } from "../../src/usbip/server.ts";
import { annotatedHex, toHex } from "../support/annotated-hex.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { RecordedDevice } from "./recorded-device.ts";

interface Recording {
  readonly kernel: string;
  readonly sessions: Readonly<Record<string, readonly (readonly ["C" | "S", string])[]>>;
}

const recording: Recording = JSON.parse(
  readFileSync(new URL("../../../test/vectors/vhci-6.12-sessions.json", import.meta.url), "utf8"),
);

const SPEEDS: Readonly<Record<string, Speed>> = {
  "full-speed": Speed.full,
  "high-speed": Speed.high,
  "super-speed": Speed.super,
};

/** OP_REQ_IMPORT of bus id 1-2. */
const IMPORT = annotatedHex(`
  0111                                                              version
  8003                                                              OP_REQ_IMPORT
  00000000                                                          status
  312d320000000000 0000000000000000 0000000000000000 0000000000000000  busid "1-2"
`);

/** The longest answer to each GET_DESCRIPTOR of a session: what the recorded device holds. */
function descriptorTable(session: Recording["sessions"][string]): Map<number, Uint8Array> {
  const table = new Map<number, Uint8Array>();
  for (const [index, [side, hex]] of session.entries()) {
    const command = Buffer.from(hex, "hex");
    const setup = command.subarray(40, 48);
    if (side !== "C" || command.readUInt32BE(16) !== 0 || Setup.bRequest(setup, 0) !== 6) continue;
    const answer = Buffer.from(session[index + 1]![1], "hex").subarray(48);
    const known = table.get(Setup.wValue(setup, 0));
    if (answer.length > (known?.length ?? 0)) table.set(Setup.wValue(setup, 0), answer);
  }
  return table;
}

/** Serves the recorded device to whoever feeds bytes; gives what was written since it was asked last. */
function serve(name: string): {
  readonly receive: (bytes: Uint8Array) => void;
  readonly written: () => string;
} {
  const device = new RecordedDevice(SPEEDS[name]!, descriptorTable(recording.sessions[name]!));
  const exported = { busid: "1-2", path: "/recorded", busnum: 1, devnum: 2, device, attached: false };
  const loop = new ManualLoop();
  let written = "";
  const server = new UsbipServer({ devices: () => [exported], find: () => exported }, loop, {
    write(chunks, done) {
      for (const chunk of chunks) written += toHex(chunk);
      done();
    },
    end: (cause) => assert.fail(`the session ended: ${String(cause)}`),
    imported: () => {},
  });
  server.receive(IMPORT);
  written = "";
  return {
    receive: (bytes) => server.receive(bytes),
    written: () => {
      const bytes = written;
      written = "";
      return bytes;
    },
  };
}

for (const [name, session] of Object.entries(recording.sessions)) {
  test(`${name} session of ${recording.kernel} is answered byte for byte`, () => {
    const { receive, written } = serve(name);
    for (const [side, hex] of session) {
      if (side === "C") receive(Buffer.from(hex, "hex"));
      else assert.equal(written(), hex);
    }
  });

  test(`${name} session of ${recording.kernel} is answered the same when it arrives byte by byte`, () => {
    const { receive, written } = serve(name);
    let answered = "";
    for (const [side, hex] of session) {
      if (side === "S") answered += hex;
      else for (const byte of Buffer.from(hex, "hex")) receive(Uint8Array.of(byte));
    }
    assert.equal(written(), answered);
  });
}
