import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TransferStatus, TransferType } from "../../src/usb/urb.ts";
import { call } from "../api/api-client.ts";
import { ALONE, MAIN } from "../support/usbferry.ts";
import { DeviceUser } from "./device-user.ts";
import { readRecording, traffic } from "./recorded-file.ts";
import { RecordedHost } from "./recorded-host.ts";

const SET_CONFIGURATION = "00 09 0300 0000 0000";

for (const thread of ["worker", "main"]) {
  test(`a device of the ${thread} is recorded from one moment to another while somebody has it`, async (t) => {
    const host = await RecordedHost.start(t, "--gadget", "zero", "--data-plane", thread);
    const user = await DeviceUser.open(host.address, "zero");
    await user.control(SET_CONFIGURATION, new Uint8Array(0));
    const path = host.path("zero.pcapng");
    const recording = await host.record("zero", "-o", path);
    await user.control("80 06 0001 0000 1200", new Uint8Array(18));
    const sent = new Uint8Array(1000);
    await user.transfer(0x01, TransferType.bulk, sent);
    const read = await user.transfer(0x81, TransferType.bulk, new Uint8Array(700));
    const refused = await user.control("c0 55 0000 0000 0400", new Uint8Array(4));
    assert.deepEqual([read.status, refused.status], [TransferStatus.ok, TransferStatus.stall]);
    const { code, stderr } = await recording.end("SIGINT");
    await user.transfer(0x81, TransferType.bulk, new Uint8Array(64));
    await user.close();
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Recording zero \(0525:a4a0\) of the host to .*\n8 packets\.\n$/);
    assert.equal(statSync(path).mode & 0o777, 0o600, "a recording is its owner's");
    const { events, dropped } = readRecording(path);
    const known = events.filter(({ comment }) => comment !== undefined);
    assert.deepEqual(
      known.map(({ type, setup }) => `${type} ${setup}`),
      ["S 8006000100001200", "C ", "S 8006000200008f00", "C ", "S 8006010200002000", "C "],
    );
    assert.deepEqual(
      events
        .slice(known.length)
        .map(({ type, endpoint, status, length, setup, data }) => [
          type,
          endpoint,
          status,
          length,
          setup,
          data.length,
        ]),
      [
        ["S", 0x80, -115, 18, "8006000100001200", 0],
        ["C", 0x80, 0, 18, "", 18],
        ["S", 0x01, -115, 1000, "", 1000],
        ["C", 0x01, 0, 1000, "", 0],
        ["S", 0x81, -115, 700, "", 0],
        ["C", 0x81, 0, 700, "", 700],
        ["S", 0x80, -115, 4, "c055000000000400", 0],
        ["C", 0x80, -32, 0, "", 0],
      ],
    );
    assert.equal(dropped, 0);
  });
}

test("only the endpoints that were asked for are recorded, and so much of each packet", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero");
  const path = host.path("in.pcapng");
  const recording = await host.record("0525:a4a0", "--endpoint", "0x81", "--snaplen", "100", "-o", path);
  const user = await DeviceUser.open(host.address, "zero");
  await user.control(SET_CONFIGURATION, new Uint8Array(0));
  await user.transfer(0x01, TransferType.bulk, new Uint8Array(8));
  await user.transfer(0x81, TransferType.bulk, new Uint8Array(700));
  await user.close();
  assert.equal((await recording.end("SIGTERM")).code, 0);
  assert.deepEqual(traffic(path), ["S 81", "C 81"]);
  const completion = readRecording(path).events.at(-1)!;
  assert.deepEqual([completion.length, completion.data.length], [700, 36]);
});

test("a ring keeps the last packets and what describes the device, and tells what it gave up", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero");
  const path = host.path("last.pcapng");
  const recording = await host.record("zero", "--ring", "20K", "-o", path);
  const user = await DeviceUser.open(host.address, "zero");
  await user.control(SET_CONFIGURATION, new Uint8Array(0));
  for (let i = 0; i < 200; i++) {
    // oxlint-disable-next-line no-await-in-loop -- in order
    await user.transfer(0x81, TransferType.bulk, new Uint8Array(400));
  }
  const last = await user.transfer(0x81, TransferType.bulk, new Uint8Array(399));
  await user.close();
  const { stderr } = await recording.end("SIGINT");
  const [, kept, gone] = /(\d+) packets, (\d+) older ones given up\.\n$/.exec(stderr) ?? [];
  const { events, dropped } = readRecording(path);
  const packets = events.filter(({ comment }) => comment === undefined);
  assert.equal(packets.length, Number(kept));
  assert.equal(dropped, Number(gone));
  assert(events.length > packets.length, "the descriptors are there");
  assert(statSync(path).size < (20 << 10) + 2_000);
  assert.deepEqual([packets.at(-1)!.type, packets.at(-1)!.length], ["C", last.actualLength]);
});

test("a recording goes to a program as it is made, and ends with it", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero");
  const command = `"$0" "${MAIN}" capture zero | head -c 1500 > "${host.path("head")}"`;
  const shell = spawn("/bin/sh", ["-c", command, process.execPath], {
    env: { ...process.env, ...ALONE, ...host.environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  shell.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = new Promise((resolve) => shell.once("exit", resolve));
  const user = await DeviceUser.open(host.address, "zero");
  await user.control(SET_CONFIGURATION, new Uint8Array(0));
  while (shell.exitCode === null) {
    // oxlint-disable-next-line no-await-in-loop -- until the reader has had enough
    await user.transfer(0x81, TransferType.bulk, new Uint8Array(512));
    // oxlint-disable-next-line no-await-in-loop
    await sleep(5);
  }
  await user.close();
  assert.equal(await ended, 0);
  assert.equal(statSync(host.path("head")).size, 1500);
  assert.match(said, /Nobody reads any more\. \d+ packets/);
});

test("a FIFO that nobody empties makes no transfer wait, and what is lost is told", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero");
  const path = host.path("fifo");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  const reader = createReadStream(path, { highWaterMark: 64 });
  const user = await DeviceUser.open(host.address, "zero");
  await user.control(SET_CONFIGURATION, new Uint8Array(0));
  const recording = await host.record("zero", "-o", path);
  reader.pause();
  const data = new Uint8Array(1 << 20);
  // More than the ring, the socket and the command keep together.
  for (let i = 0; i < 340; i++) {
    // oxlint-disable-next-line no-await-in-loop -- in order
    assert.equal((await user.transfer(0x81, TransferType.bulk, data)).actualLength, data.length);
  }
  await user.close();
  const ended = recording.end("SIGINT");
  const chunks: Buffer[] = [];
  for await (const chunk of reader) chunks.push(chunk as Buffer);
  const { code, stderr } = await ended;
  assert.equal(code, 0);
  const [, kept, lost] = /(\d+) packets, (\d+) lost because/.exec(stderr) ?? [];
  assert.equal(Number(kept) + Number(lost), 2 * 340, stderr);
});

test("a device that is unplugged ends its recording", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero", "--gadget", "keyboard");
  const path = host.path("keyboard.pcapng");
  const recording = await host.record("keyboard", "-o", path);
  const place = { socketPath: host.environment.USBFERRY_CONTROL };
  assert.equal((await call(place, { method: "DELETE", path: "/v1/gadgets/keyboard" })).status, 200);
  await recording.until("The device is gone. 0 packets.", 60_000);
  assert.equal((await recording.end("SIGCONT")).code, 0);
  assert.equal(readRecording(path).dropped, 0);
});

test("what cannot be recorded is told with what can be", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero");
  const unknown = host.run("capture", "keyboard", "-o", host.path("x"));
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /"keyboard" is neither shared nor attached .*there is: zero\. .*usbmon/);
  const unwritable = host.run("capture", "zero", "-o", host.path("no/such/folder"));
  assert.equal(unwritable.code, 1);
  assert.match(unwritable.stderr, /no\/such\/folder cannot be written: .*Name another file with -o/);
  assert.throws(() => readFileSync(host.path("x")), /ENOENT/);
});
