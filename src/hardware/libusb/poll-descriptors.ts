import type { Cancellable, Loop } from "../../usb/loop.ts";
import { POLL_BYTES, POLLOUT, PollField } from "./abi.ts";
import type { Libusb } from "./library.ts";

const POINTER = 8;

/** What an event loop is to wait for on behalf of libusb. */
export interface PollDescriptor {
  readonly fd: number;
  readonly isWritable: boolean;
}

/**
 * The descriptors of a context; nothing where the system has none for libusb, as Windows, or where our event loop cannot wait for
 * them (`linux/descriptor-watch.ts`), as on macOS.
 */
export function pollDescriptors(
  { memory, getPollfds, freePollfds }: Libusb,
  context: number,
): readonly PollDescriptor[] | undefined {
  if (process.platform !== "linux") return undefined;
  const list = getPollfds(context);
  if (list === 0) return undefined;
  const found: PollDescriptor[] = [];
  for (let at = list; ; at += POINTER) {
    const entry = Number(new BigUint64Array(memory.view(at, POINTER))[0]);
    if (entry === 0) break;
    const struct = new DataView(memory.view(entry, POLL_BYTES));
    const events = struct.getInt16(PollField.events, true);
    found.push({ fd: struct.getInt32(PollField.fd, true), isWritable: (events & POLLOUT) !== 0 });
  }
  freePollfds(list);
  return found;
}

/** Runs `ready` when one of them is, until cancelled. */
export function watchDescriptors(
  descriptors: readonly PollDescriptor[],
  loop: Loop,
  ready: () => void,
): Cancellable {
  const watches = descriptors.map(({ fd, isWritable }) =>
    loop.watch(fd, isWritable ? "writable" : "readable", ready),
  );
  return {
    cancel: () => {
      for (const watch of watches) watch.cancel();
    },
  };
}
