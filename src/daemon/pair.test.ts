import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { HERE } from "../../test/support/fixed-certificates.ts";
import { makeIdentity } from "../links/certificate.ts";
import { Pairing } from "../links/pairing.ts";
import { Failed, WrongUsage } from "./failure.ts";
import { expectAt, ownCertificate, type PairingQuestion, pair, pairedMachines, unpair } from "./pair.ts";
import { StateFolder } from "./state/state-folder.ts";
import { Trust } from "./trust.ts";

const root = mkdtempSync(join(tmpdir(), "usbferry-"));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

/** One of two machines that are to be paired. */
class Person {
  readonly folder = join(root, String(folders++));
  readonly asked: PairingQuestion[] = [];
  readonly #answer: boolean;

  constructor(answer = true) {
    this.#answer = answer;
  }

  /** Waits for the other; the address is known when it listens. */
  listen(name?: string): { readonly address: Promise<string>; readonly paired: ReturnType<typeof pair> } {
    let listening!: (address: string) => void;
    const address = new Promise<string>((resolve) => {
      listening = resolve;
    });
    return { address, paired: this.#pair("tcp:127.0.0.1:0", "listens", name, listening) };
  }

  dial(address: string, name?: string): ReturnType<typeof pair> {
    return this.#pair(address, "dials", name, () => {});
  }

  #pair(
    address: string,
    role: "dials" | "listens",
    name: string | undefined,
    listening: (at: string) => void,
  ) {
    return pair({
      address,
      role,
      name,
      stateFolder: this.folder,
      listening,
      compare: (question) => {
        this.asked.push(question);
        return Promise.resolve(this.#answer);
      },
      signal: new AbortController().signal,
    });
  }
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => assert.fail("it worked"),
    (cause: unknown) => cause,
  );
  assert(error instanceof Failed, String(error));
  return error;
}

test("two machines are paired, keep each other's certificate, and are trusted from then on", async () => {
  const [guest, host] = [new Person(), new Person()];
  const { address, paired } = guest.listen("host");
  const [atHost, atGuest] = await Promise.all([host.dial(await address, "guest"), paired]);
  assert.equal(guest.asked[0]!.digits, host.asked[0]!.digits);
  assert.deepEqual([atGuest.name, atHost.name], ["host", "guest"]);
  const own = await Promise.all([ownCertificate(host.folder), ownCertificate(guest.folder)]);
  assert.deepEqual(await pairedMachines(guest.folder), [
    { name: "host", fingerprint: own[0].fingerprint, hosts: ["127.0.0.1"] },
  ]);
  assert.deepEqual(await pairedMachines(host.folder), [
    { name: "guest", fingerprint: own[1].fingerprint, hosts: ["127.0.0.1"] },
  ]);
  for (const file of ["identity.json", "machines.json"]) {
    assert.equal(statSync(join(host.folder, file)).mode & 0o777, 0o600, file);
  }
  assert.match(readFileSync(join(host.folder, "identity.json"), "utf8"), /BEGIN PRIVATE KEY/);
  const trust = new Trust(new StateFolder(host.folder));
  assert.equal((await trust.identity()).certificate, own[0].pem, "it is made once");

  await expectAt("guest", "desk.example", host.folder);
  assert.deepEqual((await trust.machines())[0]!.hosts, ["127.0.0.1", "desk.example"]);
  await unpair("guest", host.folder);
  assert.deepEqual(await trust.machines(), []);
  await assert.rejects(unpair("guest", host.folder), /no machine is paired as "guest"/);
  await assert.rejects(expectAt("guest", "a b", host.folder), WrongUsage);
});

for (const [answers, who] of [
  [[true, false], "dialled"],
  [[false, true], "listened"],
] as const) {
  test(`nothing is kept anywhere when the one who ${who} says no`, async () => {
    const [guest, host] = [new Person(answers[0]), new Person(answers[1])];
    const { address, paired } = guest.listen();
    const [one, other] = await Promise.all([failure(paired), address.then((at) => failure(host.dial(at)))]);
    const [no, yes] = answers[0] ? [other, one] : [one, other];
    assert.match(no.message, /it was not confirmed here.*Nothing was kept/);
    assert.match(yes.message, /it was not confirmed there.*somebody is between the machines/);
    assert.deepEqual([await pairedMachines(guest.folder), await pairedMachines(host.folder)], [[], []]);
  });
}

test("a name that stands for another certificate is not taken over", async () => {
  const [guest, host] = [new Person(), new Person()];
  for (const name of ["box", "other"]) {
    const { address, paired } = guest.listen(name);
    await Promise.all([host.dial(await address, name), paired]);
  }
  assert.deepEqual(
    (await pairedMachines(guest.folder)).map(({ name }) => name),
    ["other"],
    "the same certificate again, under another name",
  );
  const third = new Person();
  const { address, paired } = guest.listen("other");
  const [refused] = await Promise.all([failure(paired), address.then((at) => failure(third.dial(at)))]);
  assert.match(refused.message, /is known here as other: .*--name.*usbferry pair remove other/);
  assert.equal(guest.asked.length, 2, "nobody was asked");
});

/** A machine in between: it pairs with both sides, each in the other's name. */
async function between(port: number): Promise<number> {
  const own = new X509Certificate((await makeIdentity("vm")).certificate).raw;
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [socket, role] of [
      [near, "listens"],
      [far, "dials"],
    ] as readonly (readonly [Socket, "listens" | "dials"])[]) {
      const pairing: Pairing = new Pairing(role, own, {
        write: (bytes) => void socket.write(bytes),
        // It says that all is well.
        compare: () => pairing.confirm(),
        ended: () => {},
      });
      socket.on("error", () => {});
      socket.on("data", (bytes) => pairing.receive(bytes));
      pairing.start();
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return (server.address() as AddressInfo).port;
}

test("somebody in between shows different digits to the two, who keep nothing when they say so", async () => {
  const [guest, host] = [new Person(false), new Person(false)];
  const { address, paired } = guest.listen();
  const port = await between(Number((await address).split(":").at(-1)));
  await Promise.all([failure(paired), failure(host.dial(`tcp:127.0.0.1:${port}`))]);
  assert.notEqual(guest.asked[0]!.digits, host.asked[0]!.digits);
  assert.equal(guest.asked[0]!.fingerprint, host.asked[0]!.fingerprint, "the certificate in between");
  assert.deepEqual([await pairedMachines(guest.folder), await pairedMachines(host.folder)], [[], []]);
});

/** What stands in the place of a machine. */
async function says(address: string, ...pieces: readonly Uint8Array[]): Promise<Socket> {
  const socket = connect(Number(address.split(":").at(-1)), "127.0.0.1");
  socket.on("error", () => {}).resume();
  for (const piece of pieces) socket.write(piece);
  socket.end();
  await new Promise((resolve) => socket.once("close", resolve));
  return socket;
}

const MAGIC = Buffer.from("usbferry pair 1\n");
const COMMIT = Buffer.concat([Uint8Array.of(1, 0, 32), new Uint8Array(32)]);

test("strangers who show nothing are passed over, and the right machine comes after them", async () => {
  const [guest, host] = [new Person(), new Person()];
  const { address, paired } = guest.listen();
  const at = await address;
  await says(at);
  await says(at, Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await says(at, MAGIC);
  await Promise.all([host.dial(at, "guest"), paired]);
});

test("who has seen the nonce has had the only attempt", async () => {
  const guest = new Person();
  const { address, paired } = guest.listen();
  const refused = failure(paired);
  await says(await address, MAGIC, COMMIT, Buffer.concat([Uint8Array.of(2, 1, 0), HERE.subarray(0, 256)]));
  assert.match((await refused).message, /not what it had committed to; somebody may be in between/);
  assert.deepEqual(guest.asked, []);
});

test("a pairing that is cancelled ends at once, on both sides", async () => {
  const [guest, host] = [new Person(), new Person()];
  const cancelling = new AbortController();
  let listening!: (address: string) => void;
  const address = new Promise<string>((resolve) => {
    listening = resolve;
  });
  const waiting = pair({
    address: "tcp:127.0.0.1:0",
    role: "listens",
    stateFolder: guest.folder,
    listening,
    // A person who does not answer, until there is nothing to answer any more.
    compare: (_, signal) => {
      setImmediate(() => cancelling.abort());
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(false)));
    },
    signal: cancelling.signal,
  });
  const [one, other] = await Promise.all([failure(waiting), address.then((at) => failure(host.dial(at)))]);
  assert.match(one.message, /it was cancelled|the pairing was cancelled/);
  assert.match(other.message, /closed the connection|not confirmed there/);
});
