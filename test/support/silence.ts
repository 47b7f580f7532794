import assert from "node:assert/strict";
import type { Socket } from "node:net";
import koffi from "koffi";

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
/** BPF_RET | BPF_K with 0: no packet is let in (linux/filter.h). */
const DROP_ALL = Buffer.from([0x06, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Makes a connected socket deaf: the kernel drops every packet to it unseen, acknowledgements included, so its peer finds what
 * it finds when a machine loses power or a cable is pulled. Linux only.
 */
export function silence(socket: Socket): void {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } };
  const setsockopt = koffi
    .load(null)
    .func("int setsockopt(int, int, int, _In_ void *, unsigned int)") as unknown as (
    ...args: unknown[]
  ) => number;
  const program = Buffer.alloc(16);
  program.writeUInt16LE(DROP_ALL.length / 8, 0);
  program.writeBigUInt64LE(koffi.address(DROP_ALL), 8);
  assert.equal(
    setsockopt(handle.fd, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length),
    0,
    "SO_ATTACH_FILTER",
  );
}
