import assert from "node:assert/strict";
import { test } from "node:test";
import { createGadget } from "../../gadgets/catalog.ts";
import { autoBind, decide, mayAdmit } from "./decision.ts";
import { type ClientFacts, clientFacts, type DeviceFacts, deviceFacts, type LinkKind } from "./facts.ts";
import { parseRule, type Rule } from "./rule.ts";

const rules = (...texts: readonly string[]): readonly Rule[] => texts.map((text) => parseRule(text) as Rule);

const stick: DeviceFacts = {
  busid: "1-2.3",
  idVendor: 0x0781,
  idProduct: 0x5581,
  serial: "4C530001",
  classes: [[8, 6, 0x50]],
};
const keyboard: DeviceFacts = { busid: "kbd", idVendor: 1, idProduct: 2, classes: [[3, 1, 1]] };

const over = (link: ClientFacts["link"], more: Partial<ClientFacts> = {}): ClientFacts => ({
  link,
  isDialled: false,
  ...more,
});
const lan = over("tcp", { address: "192.168.7.20" });
const here = over("tcp", { address: "127.0.0.1" });
const unix = over("unix", { uid: 1_000, pid: 7 });
const vm = over("vsock", { cid: 3 });

const defaults: readonly (readonly [client: ClientFacts, allowed: boolean])[] = [
  [here, true],
  [over("tcp", { address: "127.9.8.7" }), true],
  [over("tcp", { address: "::1" }), true],
  [over("tls", { address: "::1" }), true],
  [unix, true],
  [over("unix"), true],
  [over("memory"), true],
  [over("tcp", { address: "192.168.7.20", isDialled: true }), true],
  [lan, false],
  [over("tcp", { address: "fe80::1" }), false],
  [over("tcp"), false],
  [vm, false],
  [over("vsock", { cid: 1 }), true],
  [over("vsock", { cid: 2 }), false],
  [over("vsock"), false],
  [over("fc-vsock"), false],
  [over("ring", { uid: 1_000 }), true],
  [over("ring", { memory: "/dev/shm/vm1" }), false],
  [over("tls", { address: "192.168.7.20", name: "box" }), false],
  [over("hvsocket"), false],
  [over("unknown"), false],
];

for (const [client, allowed] of defaults) {
  test(`without a rule ${JSON.stringify(client)} is ${allowed ? "allowed" : "denied"}`, () => {
    assert.deepEqual(decide([], stick, client), { allowed });
    assert.deepEqual(decide(rules("auto-bind"), stick, client), { allowed });
  });
}

/** Rules, and whether the stick is allowed over the LAN, from here, over unix, and to the VM. */
const tables: readonly (readonly [texts: readonly string[], expected: string])[] = [
  [["allow"], "lan here unix vm"],
  [["deny"], ""],
  [["allow link=tcp"], "lan here unix"],
  [["deny link=tcp"], "unix"],
  [["allow link=vsock"], "here unix vm"],
  [["allow client=192.168.7.0/24"], "lan here unix"],
  [["allow client=192.168.8.0/24"], "here unix"],
  [["deny client=127.0.0.1"], "unix"],
  [["allow client=0.0.0.0/0"], "lan here unix"],
  [["deny client=uid:1000"], "here"],
  [["deny client=uid:1001"], "here unix"],
  [["allow client=vsock:3"], "here unix vm"],
  [["allow client=vsock:4"], "here unix"],
  [["allow device=0781:5581"], "lan here unix vm"],
  [["allow device=0781:55*"], "lan here unix vm"],
  [["allow device=0781:56*"], "here unix"],
  [["deny device=0781:*"], ""],
  [["allow serial=4C53*"], "lan here unix vm"],
  [["allow serial=4C53"], "here unix"],
  [["allow busid=1-2*"], "lan here unix vm"],
  [["allow busid=1-3*"], "here unix"],
  [["deny class=mass-storage"], ""],
  [["deny class=08:06"], ""],
  [["deny class=08:06:51"], "here unix"],
  [["allow class=keyboard"], "here unix"],
  [["deny link=tcp", "allow"], "unix vm"],
  [["allow client=192.168.7.20 class=08", "deny"], "lan"],
  [["deny serial=X", "allow link=tcp class=mass-storage client=192.168.0.0/16"], "lan here unix"],
];

for (const [texts, expected] of tables) {
  test(`${texts.join("; ")}: the stick is for ${expected || "nobody"}`, () => {
    const clients = { lan, here, unix, vm };
    const allowed = Object.entries(clients).filter(
      ([, client]) => decide(rules(...texts), stick, client).allowed,
    );
    assert.equal(allowed.map(([name]) => name).join(" "), expected);
  });
}

test("the rule that decided is told", () => {
  const [first, second] = rules("deny class=keyboard", "allow link=tcp");
  assert.equal(decide([first!, second!], keyboard, lan).rule, first);
  assert.equal(decide([first!, second!], stick, lan).rule, second);
});

test("where a fact is missing, a deny rule holds and an allow rule does not", () => {
  const unnamed = over("unix");
  assert.equal(decide(rules("deny client=uid:1000"), stick, unnamed).allowed, false);
  assert.equal(decide(rules("allow client=uid:1000", "deny"), stick, unnamed).allowed, false);
  assert.equal(
    decide(rules("deny client=10.0.0.0/8"), stick, over("tcp", { isDialled: true })).allowed,
    false,
  );
  assert.equal(
    decide(rules("deny client=10.0.0.0/8 class=hub"), stick, over("tcp", { isDialled: true })).allowed,
    true,
  );
});

test("a device without a serial number fits no pattern of one", () => {
  assert.equal(decide(rules("deny serial=*"), keyboard, here).allowed, true);
  assert.equal(decide(rules("deny serial=*"), stick, here).allowed, false);
});

for (const [text, name, allowed] of [
  ["allow client=tls:box", "box", true],
  ["allow client=tls:box", "box2", false],
  ["allow client=tls:box*", "box2", true],
  ["allow client=tls:*", "any.thing", true],
  ["allow client=tls:box", undefined, false],
  ["allow link=tls", "box", true],
  ["allow client=192.168.7.0/24", "box", true],
  ["allow client=vsock:3", "box", false],
] as const) {
  test(`"${text}" ${allowed ? "allows" : "does not allow"} a device to the paired machine ${name}`, () => {
    const client = over("tls", { address: "192.168.7.20", ...(name !== undefined && { name }) });
    assert.equal(decide(rules(text), stick, client).allowed, allowed);
    assert.equal(decide(rules(text), stick, lan).allowed, text.includes("192."), "an address proves no name");
  });
}

test("auto-bind finds the first such rule that matches", () => {
  const [allow, hubs, sticks] = rules("allow", "auto-bind class=hub", "auto-bind class=mass-storage");
  assert.equal(autoBind([allow!, hubs!, sticks!], stick), sticks);
  assert.equal(autoBind([allow!, hubs!, sticks!], keyboard), undefined);
});

test("virtual machines that share memory are told apart by its files", () => {
  const allowed = (text: string, memory: string): boolean =>
    decide(rules(text), stick, over("ring", { memory })).allowed;
  assert.equal(allowed("allow client=ring:/dev/shm/vm1", "/dev/shm/vm1"), true);
  assert.equal(allowed("allow client=ring:/dev/shm/vm1", "/dev/shm/vm2"), false);
  assert.equal(allowed("allow client=ring:/dev/shm/vm*", "/dev/shm/vm2"), true);
  assert.equal(decide(rules("allow client=ring:*"), stick, lan).allowed, false);
  assert.equal(mayAdmit(rules("allow client=ring:/dev/shm/vm1"), "ring"), true);
  assert.equal(mayAdmit(rules("allow client=uid:1000"), "ring"), false);
});

const admissions: readonly (readonly [texts: readonly string[], links: string])[] = [
  [[], ""],
  [["allow"], "tcp vsock tls fc-vsock"],
  [["auto-bind"], ""],
  [["deny", "allow"], ""],
  [["deny link=tcp", "allow"], "vsock tls fc-vsock"],
  [["deny class=08", "allow"], "tcp vsock tls fc-vsock"],
  [["deny client=10.0.0.0/8", "allow link=tcp"], "tcp"],
  [["allow client=127.0.0.1"], ""],
  [["allow client=127.0.0.0/8"], ""],
  [["allow client=127.0.0.0/7"], "tcp tls"],
  [["allow client=::1"], ""],
  [["allow client=::/0"], "tcp tls"],
  [["allow client=uid:0"], ""],
  [["allow client=vsock:3"], "vsock"],
  [["allow client=tls:box"], "tls"],
  [["allow link=fc-vsock"], "fc-vsock"],
  [["allow client=192.168.0.0/16 link=unix"], ""],
  [["allow device=0781:5581"], "tcp vsock tls fc-vsock"],
];

for (const [texts, links] of admissions) {
  test(`"${texts.join("; ")}" may admit somebody from elsewhere over ${links || "nothing"}`, () => {
    const found = (["tcp", "vsock", "tls", "fc-vsock"] as LinkKind[]).filter((link) =>
      mayAdmit(rules(...texts), link),
    );
    assert.equal(found.join(" "), links);
  });
}

test("the facts of a gadget are those of its descriptors", () => {
  const disk = createGadget({
    kind: "disk",
    speed: 3,
    content: { size: 512 },
    readOnly: false,
    serial: "S1",
  });
  const facts = deviceFacts("disk", disk, "S1");
  assert.deepEqual(facts.classes, [[8, 6, 0x50]]);
  assert.equal(facts.serial, "S1");
});

const peers: readonly (readonly [peer: string, facts: object])[] = [
  ["tcp:192.168.7.20:5", { link: "tcp", address: "192.168.7.20" }],
  ["tcp:[::1]:5", { link: "tcp", address: "::1" }],
  ["tcp:[::ffff:192.168.7.20]:5", { link: "tcp", address: "192.168.7.20" }],
  ["tcp:[fe80::1%eth0]:5", { link: "tcp", address: "fe80::1" }],
  ["tcp:unknown:0", { link: "tcp" }],
  ["tcp:box:3240", { link: "tcp" }],
  ["vsock:3:1024", { link: "vsock", cid: 3 }],
  ["ring:/run/x", { link: "ring" }],
  ["ring:file:/dev/shm/vm1,port=/run/p", { link: "ring", memory: "/dev/shm/vm1" }],
  ["unix:/run/x", { link: "unix" }],
  ["memory:left", { link: "memory" }],
  ["nonsense", { link: "unknown" }],
];

for (const [peer, facts] of peers) {
  test(`the client at ${peer} is ${JSON.stringify(facts)}`, () => {
    const link = { peer, unsent: 0, start() {}, write() {}, end() {}, destroy() {} };
    assert.deepEqual(clientFacts(link, false), { ...facts, isDialled: false });
  });
}
