import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fingerprintOf, makeIdentity } from "../../src/links/certificate.ts";
import { Network, obstacle, type Program } from "./network.ts";

const YEAR_MS = 365 * 24 * 3_600_000;
/** docs/links.md: the limit within which a silent peer is noticed; on a busy machine it is told a little later. */
const LIMIT_MS = 10_000;
const SLACK_MS = 3_000;

const yearsAgo = (years: number): Date => new Date(Date.now() - years * YEAR_MS);

const skip = obstacle() ?? false;
const root = mkdtempSync(join(tmpdir(), "usbferry-namespaces-"));
const host = join(root, "host");
const guest = join(root, "guest");
let network: Network;
let serving: Program;
let tls = "";

/** Pairs two users, each in a namespace; the digits that each saw. */
async function pairUp(
  one: string,
  two: string,
  names: readonly [string, string],
): Promise<readonly string[]> {
  const at = `tcp:${network.addresses.one}:3244`;
  const waiting = network.usbferry("one", one, "pair", "--listen", at, "--name", names[1]);
  await waiting.line(/^Waiting/);
  const dialling = network.usbferry("two", two, "pair", at, "--name", names[0]);
  const digits = await Promise.all([waiting, dialling].map((program) => program.line(/^ {2}\d{3} \d{3}$/)));
  for (const program of [waiting, dialling]) program.type("yes");
  assert.deepEqual(await Promise.all([waiting.ended, dialling.ended]), [0, 0]);
  return digits;
}

before(async () => {
  if (skip !== false) return;
  network = new Network();
  const config = join(root, "config.yaml");
  writeFileSync(config, "rules: [allow client=tls:*, allow client=10.197.0.0/24 link=tcp]\n");
  const digits = await pairUp(host, guest, ["the-host", "the-guest"]);
  assert.equal(digits[0], digits[1]);
  tls = `tls:${network.addresses.one}:3240`;
  const places = ["--listen", tls, "--listen", `tcp:${network.addresses.one}:3241`];
  const gadget = ["--gadget", "zero,serial=SECRET-SERIAL", "--config", config, "--control", "off"];
  serving = network.usbferry("one", host, "serve", ...places, ...gadget);
  await serving.line(/^Sharing zero on tls:/);
});

after(async () => {
  if (skip === false) await network.close();
  rmSync(root, { recursive: true, force: true });
});

test("a paired machine lists and imports", { skip }, async () => {
  const list = network.usbferry("two", guest, "list", tls);
  assert.equal(await list.ended, 0);
  assert(
    list.lines.some((line) => line.startsWith("zero ")),
    list.lines.join("\n"),
  );
});

test("a machine that was not paired is refused, and both sides say so", { skip }, async () => {
  const list = network.usbferry("two", join(root, "stranger"), "list", tls);
  assert.equal(await list.ended, 3);
  await list.line(
    /its certificate .* is not that of a paired machine \(CERTIFICATE_UNKNOWN\).*usbferry pair/,
  );
  // It refuses first; the host hears that, and would have refused, too.
  await serving.line(/"code":"CERTIFICATE_UNKNOWN"/);
});

test("a paired certificate whose time is over is refused, and both sides say so", { skip }, async () => {
  const state = join(root, "expired");
  keep(state, "identity.json", await makeIdentity("old", yearsAgo(3), yearsAgo(1)));
  const certificate = new X509Certificate(read(state, "identity.json").certificate);
  const fingerprint = fingerprintOf(certificate.raw);
  const { machines } = read(host, "machines.json");
  keep(host, "machines.json", { machines: [...machines, { name: "old", fingerprint, hosts: [] }] });
  const dialling = network.run("two", "test/namespaces/dial-as.js", [state, network.addresses.one, "3240"]);
  await dialling.line(/^usbferry\/1 CERTIFICATE_EXPIRED$/);
  await dialling.line(/^closed$/);
  await serving.line(/the certificate of \\"old\\" expired on .*\(CERTIFICATE_EXPIRED\)/);
  // Its own usbferry would not even dial.
  const list = network.usbferry("two", state, "list", tls);
  assert.equal(await list.ended, 1);
  await list.line(/the certificate of this machine .* expired on .*usbferry pair renew/);
});

test("no certificate is refused, and both sides say so", { skip }, async () => {
  const dialling = network.run("two", "test/namespaces/dial-as.js", [
    guest,
    network.addresses.one,
    "3240",
    "nobody",
  ]);
  await dialling.line(/^usbferry\/1 CERTIFICATE_ABSENT$/);
  await serving.line(/it shows no certificate \(CERTIFICATE_ABSENT\)/);
});

test("a paired machine under another name than the one that was dialled is refused, and both sides say so", {
  skip,
}, async () => {
  const state = join(root, "misled");
  const { key, certificate } = read(guest, "identity.json");
  keep(state, "identity.json", { key, certificate });
  const { machines } = read(guest, "machines.json");
  keep(state, "machines.json", {
    machines: machines.map(({ name, fingerprint }) => ({ name, fingerprint, hosts: [] })),
  });
  const list = network.usbferry("two", state, "list", tls);
  assert.equal(await list.ended, 3);
  await list.line(
    /the machine there is "the-host", which is not expected under this host \(WRONG_NAME\).*pair host the-host 10/,
  );
  await serving.line(/it dialled another machine and found this one \(WRONG_NAME\)/);
  const allowed = network.usbferry("two", state, "pair", "host", "the-host", network.addresses.one);
  assert.equal(await allowed.ended, 0);
  assert.equal(await network.usbferry("two", state, "list", tls).ended, 0);
});

/** All that passes the cable while somebody imports the device there. */
async function seen(address: string): Promise<string> {
  const capture = network.run("one", "test/namespaces/capture.js", ["cable"]);
  await capture.line(/^capturing$/);
  const holding = network.run("two", "test/namespaces/hold.js", [address, "zero"], { USBFERRY_STATE: guest });
  await holding.line(/^imported$/);
  await holding.stop();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await capture.stop();
  return capture.lines.slice(1).join("");
}

test("nothing of USB can be read on the cable, where without TLS it can", { skip }, async () => {
  const request = Buffer.from("\u0001\u0011\u0080\u0003\0\0\0\0zero\0", "latin1").toString("hex");
  // The device descriptor of the gadget, from its idVendor on.
  const ids = "2505a0a4";
  const plain = await seen(`tcp:${network.addresses.one}:3241`);
  assert(plain.includes(request) && plain.includes(ids), "the capture sees what passes");
  const sealed = await seen(tls);
  assert(sealed.length > plain.length, "an import has passed");
  assert(!sealed.includes(request) && !sealed.includes(ids), "plain bytes of USB on the cable");
  assert(!sealed.includes(Buffer.from("zero").toString("hex")));
});

test("a cable that is cut is noticed on both sides within the limit, and the device is free again", {
  skip,
}, async () => {
  const holding = network.run("two", "test/namespaces/hold.js", [tls, "zero"], { USBFERRY_STATE: guest });
  await holding.line(/^imported$/);
  const linesBefore = serving.lines.length;
  network.cut();
  const cutMs = performance.now();
  await holding.line(/^ended LINK_LOST lost tls:.*(does not answer any more|no way leads to the peer)/);
  const guestMs = performance.now() - cutMs;
  await serving.line(/"code":"LINK_LOST"/);
  const hostMs = performance.now() - cutMs;
  assert(serving.lines.slice(linesBefore).some((line) => line.includes("LINK_LOST")));
  console.log(
    `noticed by the guest after ${Math.round(guestMs)} ms, by the host after ${Math.round(hostMs)} ms`,
  );
  for (const ms of [guestMs, hostMs]) assert(ms < LIMIT_MS + SLACK_MS, `noticed after ${ms} ms`);
  await network.mend();
  const again = network.run("two", "test/namespaces/hold.js", [tls, "zero"], { USBFERRY_STATE: guest });
  await again.line(/^imported$/);
  await again.stop();
});

type Kept = Readonly<Record<"key" | "certificate", string>> & {
  readonly machines: readonly { readonly name: string; readonly fingerprint: string }[];
};

function read(state: string, file: string): Kept {
  return JSON.parse(readFileSync(join(state, file), "utf8")) as Kept;
}

function keep(state: string, file: string, content: object): void {
  mkdirSync(state, { recursive: true });
  writeFileSync(join(state, file), JSON.stringify({ version: 1, ...content }));
}
