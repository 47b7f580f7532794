import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied } from "./failure.ts";
import { dialPlace, listenPlace, mayPlug, remotePlace, seenFromThere } from "./place.ts";
import type { LinkKind } from "./rules/facts.ts";

const VM = "ring:file:/dev/shm/vm1,port=/run/vm1.port";

test("a host listens without a rule where nobody from elsewhere comes, and with one where it could allow something", () => {
  for (const text of ["tcp:3240", "tls:3240", "tls:localhost:1", "unix:/run/x", "vsock:1:3240"]) {
    assert.equal(listenPlace(text, "host").kind, text.split(":")[0]);
  }
  for (const text of [
    "tcp:0.0.0.0:1",
    "tls:[::]:1",
    "vsock:3240",
    "vsock:3:3240",
    "fc-vsock:/run/vm:3240",
    VM,
  ]) {
    assert.throws(() => listenPlace(text, "host"), AccessDenied, text);
    const kinds: LinkKind[] = [];
    const admits = (kind: LinkKind): boolean => kinds.push(kind) > 0;
    listenPlace(text, "host", admits);
    assert.deepEqual(kinds, [text.split(":")[0]]);
  }
});

test("a guest waits where the address says who comes, and not for everyone on a network", () => {
  for (const text of [
    "tls:0.0.0.0:1",
    "vsock:3240",
    "vsock:3:3240",
    "fc-vsock:/run/vm:3240",
    "unix:/run/x",
  ]) {
    assert.equal(listenPlace(text, "guest").kind, text.split(":")[0]);
  }
  assert.throws(() => listenPlace("tcp:0.0.0.0:1", "guest"), AccessDenied);
});

test("a waiting guest takes devices of its host and itself over vsock, and of a virtual machine that it named", () => {
  const place = dialPlace("vsock:3240");
  assert.deepEqual(
    [1, 2, 3, 4].map((cid) => mayPlug(place, { link: "vsock", cid, isDialled: false })),
    [true, true, false, false],
  );
  assert.equal(mayPlug(place, { link: "vsock", isDialled: false }), false);
  // The listener itself sends others away.
  assert(mayPlug(dialPlace("vsock:3:3240"), { link: "vsock", cid: 3, isDialled: false }));
  assert(mayPlug(dialPlace("unix:/run/x"), { link: "unix", isDialled: false }));
});

test("an address is written as the other side needs it", () => {
  for (const [text, listens, dials] of [
    ["vsock:3:5000", "vsock:5000", "vsock:2:5000"],
    ["vsock:5000", "vsock:5000", "vsock:2:5000"],
    ["wslusb+vsock:3:5000", "wslusb+vsock:5000", "wslusb+vsock:2:5000"],
    ["vsock:1:5000", "vsock:5000", "vsock:1:5000"],
    ["fc-vsock:/run/vm:5000", "vsock:5000", "vsock:2:5000"],
    ["tcp:192.0.2.7:1", "tcp:192.0.2.7:1", "tcp:192.0.2.7:1"],
  ] as const) {
    const place = dialPlace(text);
    assert.deepEqual([seenFromThere(place, "listens"), seenFromThere(place, "dials")], [listens, dials]);
  }
});

test("the memory of a virtual machine is for the one to listen at, and for the other to attach from", () => {
  assert.equal(remotePlace("ring:pci:00:05.0").kind, "ring-pci");
  assert.equal(
    seenFromThere(
      listenPlace(VM, "host", () => true),
      "dials",
    ),
    "ring:pci:ADDRESS",
  );
  assert.throws(
    () => listenPlace("ring:pci:00:05.0", "host", () => true),
    /its host, which listens at ring:file:/,
  );
  assert.throws(() => listenPlace(VM, "guest"), /as its host sees it: `usbferry serve --listen ring:file:/);
  assert.throws(() => remotePlace(VM), /the guest attaches from ring:pci:ADDRESS/);
});
