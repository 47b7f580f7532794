import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PACKET_WORDS, TransferType } from "../../src/usb/urb.ts";
import { ALONE, MAIN } from "../support/usbferry.ts";
import { DeviceUser } from "./device-user.ts";
import { RecordedHost } from "./recorded-host.ts";
import { Wireshark } from "./wireshark.ts";

let wireshark: Wireshark;
before(async () => {
  wireshark = await Wireshark.prepare((line) => process.stderr.write(`${line}\n`));
});

const URB = [
  "usb.urb_type",
  "usb.transfer_type",
  "usb.endpoint_address",
  "usb.urb_status",
  "usb.urb_len",
  "usb.data_len",
];

test("tshark reads of every kind of transfer what its driver saw", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero,pattern=63");
  const path = host.path("zero.pcapng");
  const recording = await host.record("zero", "-o", path);
  const user = await DeviceUser.open(host.address, "zero");
  await user.control("00 09 0300 0000 0000", new Uint8Array(0));
  const read = await user.transfer(0x81, TransferType.bulk, new Uint8Array(100));
  const sent = Uint8Array.from({ length: 40 }, (_, i) => i);
  await user.transfer(0x01, TransferType.bulk, sent);
  await user.control("01 0b 0100 0000 0000", new Uint8Array(0));
  const stream = await user.packets(0x82, 3, new Uint8Array(3 * 192));
  await user.control("01 0b 0200 0000 0000", new Uint8Array(0));
  const message = await user.transfer(0x83, TransferType.interrupt, new Uint8Array(16));
  const refused = await user.control("c0 77 0000 0000 0800", new Uint8Array(8));
  await user.close();
  assert.equal((await recording.end("SIGINT")).code, 0);

  const rows = await wireshark.fields(path, "frame.comment", ...URB);
  const traffic = rows.filter(([comment]) => comment === "").map(([, ...fields]) => fields.join(" "));
  // The client asks for descriptors and strings of its own accord, some of them meanwhile.
  const seen = traffic.filter((row) => !/^'S' 0x02 0x80 -115 255 |^'C' 0x02 0x80 0 /.test(row));
  const first = seen.indexOf("'S' 0x03 0x81 -115 100 0");
  const none = "0x00";
  assert.deepEqual(seen.slice(first), [
    "'S' 0x03 0x81 -115 100 0",
    "'C' 0x03 0x81 0 100 100",
    "'S' 0x03 0x01 -115 40 40",
    "'C' 0x03 0x01 0 40 0",
    `'S' 0x02 ${none} -115 0 0`,
    `'C' 0x02 ${none} 0 0 0`,
    "'S' 0x00 0x82 -115 576 48",
    `'C' 0x00 0x82 0 ${stream.actualLength} ${3 * 16 + 576}`,
    `'S' 0x02 ${none} -115 0 0`,
    `'C' 0x02 ${none} 0 0 0`,
    "'S' 0x01 0x83 -115 16 0",
    `'C' 0x01 0x83 0 ${message.actualLength} ${message.actualLength}`,
    "'S' 0x02 0x80 -115 8 0",
    "'C' 0x02 0x80 -32 0 0",
  ]);
  assert.deepEqual([read.actualLength, refused.actualLength], [100, 0]);

  const setups = await wireshark.fields(
    path,
    "usb.bmRequestType",
    "usb.setup.bRequest",
    "usb.setup.wInterface",
    "usb.bConfigurationValue",
  );
  assert(setups.some(([type, request]) => type === "0x00" && request === "9"));
  assert(setups.some(([type, request]) => type === "0x01" && request === "11"));
  const table = await wireshark.fields(
    path,
    "usb.iso.numdesc",
    "usb.iso.iso_len",
    "usb.iso.iso_off",
    "usb.iso.iso_status",
    "usb.iso.error_count",
    "usb.interval",
  );
  const isochronous = table.filter(([count]) => count === "3,3");
  const lengths = [0, 1, 2].map((i) => stream.packets[i * PACKET_WORDS + 2]).join(",");
  assert.deepEqual(isochronous, [
    ["3,3", "192,192,192", "0,192,384", "-18,-18,-18", "0", "0"],
    ["3,3", lengths, "0,192,384", "0,0,0", "0", "0"],
  ]);
  const data = await wireshark.fields(path, "usb.capdata");
  const payloads = new Set(data.map(([hex]) => hex));
  assert(payloads.has(Buffer.from(read.buffer).toString("hex")));
  assert(payloads.has(Buffer.from(sent).toString("hex")));
  const expert = await wireshark.tshark(["-r", path, "-q", "-z", "expert,warn"]);
  assert.doesNotMatch(expert, /Malformed|Errors \(/);
});

test("descriptors that were read before the recording tell tshark the class of a device", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "keyboard,text=a");
  const user = await DeviceUser.open(host.address, "keyboard");
  await user.control("00 09 0100 0000 0000", new Uint8Array(0));
  const path = host.path("keyboard.pcapng");
  const recording = await host.record("keyboard", "-o", path);
  await user.transfer(0x81, TransferType.interrupt, new Uint8Array(8));
  await user.close();
  await recording.end("SIGINT");
  const rows = await wireshark.fields(path, "usb.urb_type", "usb.bInterfaceClass");
  assert.deepEqual(rows.at(-1), ["'C'", "0x03"]);
});

test("Wireshark finds the devices by extcap and records one of them live", async (t) => {
  const host = await RecordedHost.start(t, "--gadget", "zero");
  const folder = host.path(".local/lib/wireshark/extcap");
  mkdirSync(folder, { recursive: true });
  const program = `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" extcap "$@"\n`;
  writeFileSync(join(folder, "usbferry"), program, { mode: 0o755 });
  const environment = { ...ALONE, ...host.environment, HOME: host.folder };
  const listed = await wireshark.tshark(["-D"], environment);
  assert.match(listed, /usbferry-host-zero \(usbferry: zero \(0525:a4a0\) of the host\)/);
  const links = await wireshark.tshark(["-i", "usbferry-host-zero", "-L"], environment);
  assert.match(links, /USB_LINUX_MMAPPED/);

  const path = host.path("live.pcapng");
  const words = ["-i", "usbferry-host-zero", "-c", "10", "-w", path];
  const recording = wireshark.tshark(words, environment).then(() => "over" as const);
  const user = await DeviceUser.open(host.address, "zero");
  await user.control("00 09 0300 0000 0000", new Uint8Array(0));
  const transferred = async (): Promise<"transferred"> => {
    await user.transfer(0x81, TransferType.bulk, new Uint8Array(64));
    await sleep(10);
    return "transferred";
  };
  // oxlint-disable-next-line no-await-in-loop -- until tshark has enough
  while ((await Promise.race([transferred(), recording])) !== "over");
  await user.close();
  const rows = await wireshark.fields(path, "usb.transfer_type", "frame.comment");
  assert.equal(rows.length, 10);
  assert.equal(rows.filter(([, comment]) => comment !== "").length, 6, "the descriptors come first");
  assert(rows.slice(6).every(([type]) => type === "0x03"));
});
