import assert from "node:assert/strict";
import { closeSync, fstatSync } from "node:fs";
import { test } from "node:test";
import { SystemError } from "./system-error.ts";
import {
  acceptVsock,
  connectVsock,
  listenVsock,
  VMADDR_CID_ANY,
  VMADDR_CID_HOST,
  VMADDR_PORT_ANY,
  vsockName,
} from "./vsock.ts";

const probe = listenVsock({ cid: VMADDR_CID_ANY, port: VMADDR_PORT_ANY });
if (!(probe instanceof SystemError)) closeSync(probe);
/** The kernel of a machine without virtual machines may lack vsock; a guest of test/vm never does. */
const withVsock = { skip: probe instanceof SystemError ? probe.message : false };

function listening(port: number): number {
  const fd = listenVsock({ cid: VMADDR_CID_ANY, port });
  assert(!(fd instanceof SystemError), String(fd));
  return fd;
}

test("a listener on any port gets one, and nobody waits there", withVsock, () => {
  const fd = listening(VMADDR_PORT_ANY);
  const name = vsockName(fd);
  assert(!(name instanceof SystemError));
  assert.equal(name.cid, VMADDR_CID_ANY);
  assert(name.port > 0 && name.port < VMADDR_PORT_ANY, String(name.port));
  assert(fstatSync(fd).isSocket());
  assert.equal(acceptVsock(fd), undefined);
  const again = listenVsock({ cid: VMADDR_CID_ANY, port: name.port });
  assert.equal(again instanceof SystemError && again.code, "EADDRINUSE");
  closeSync(fd);
});

test("a descriptor that is no listener is an error of accepting", withVsock, () => {
  const fd = connectVsock({ cid: VMADDR_CID_HOST, port: VMADDR_PORT_ANY - 1 }, 1_000);
  if (fd instanceof SystemError) {
    assert.match(fd.message, /^connect failed: /);
    return;
  }
  const refused = acceptVsock(fd);
  assert.equal(refused instanceof SystemError && refused.code, "EINVAL");
  closeSync(fd);
});
