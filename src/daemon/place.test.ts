import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied, WrongUsage } from "./failure.ts";
import { dialPlace, listenPlace } from "./place.ts";

for (const text of [
  "tcp:3240",
  "tcp:127.0.0.1:0",
  "tcp:127.8.9.1:1",
  "tcp:[::1]:1",
  "tcp:localhost:1",
  "unix:/x",
]) {
  test(`${text} may be listened on: it is this machine`, () => {
    assert(["tcp", "unix"].includes(listenPlace(text, "host").kind));
  });
}

for (const text of [
  "tcp:0.0.0.0:3240",
  "tcp:[::]:3240",
  "tcp:192.0.2.7:1",
  "tcp:box:1",
  "tcp:[::ffff:192.0.2.7]:1",
]) {
  test(`${text} is refused for listening, with a way out, and may be dialled`, () => {
    assert.throws(
      () => listenPlace(text, "host"),
      (error) =>
        error instanceof AccessDenied &&
        /no rule allows .*usbferry policy add allow .* or listen on .*ssh -R/.test(error.message),
    );
    assert.equal(dialPlace(text).kind, "tcp");
    const admitted = listenPlace(text, "host", (link) => link === "tcp");
    assert.equal(admitted.kind, "tcp");
  });
}

for (const text of [
  "tls:box:1",
  "vsock:1",
  "hvsocket:id:1",
  "fc-vsock:/x:1",
  "ring:/x",
  "ring:pci:00:05.0",
  "wslusb+tcp:1",
]) {
  test(`${text} is not built yet, and what works is named`, () => {
    assert.throws(
      () => dialPlace(text),
      (error) =>
        error instanceof WrongUsage && /not built yet\. (What works: tcp|Leave out)/.test(error.message),
    );
  });
}

test("what is no address is wrong usage", () => {
  assert.throws(() => dialPlace("3240"), WrongUsage);
});
