import { constants } from "node:os";
import { EventDescriptor } from "../linux/event-descriptor.ts";
import { SystemError } from "../linux/system-error.ts";
import { IrqAction, IrqData, IrqIndex, SetIrqs } from "./messages.ts";
import type { MsixVectors } from "./msix-vectors.ts";

const { EINVAL } = constants.errno;
const DONE = 0;

/** Those of a message. What is taken out of it is not closed with it. */
export type Descriptors = (number | undefined)[] | undefined;

/** DEVICE_SET_IRQS, of which the fixed part is there. Answers a number of an error. */
export function setIrqs(
  vectors: MsixVectors,
  bytes: Uint8Array,
  at: number,
  length: number,
  fds: Descriptors,
): number {
  const flags = SetIrqs.flags(bytes, at);
  const index = SetIrqs.index(bytes, at);
  const start = SetIrqs.start(bytes, at);
  const count = SetIrqs.count(bytes, at);
  const data = flags & IrqData.mask;
  const action = flags & ~IrqData.mask;
  const there = index === IrqIndex.msix ? vectors.count : 0;
  if (index >= IrqIndex.count || start + count > there) return EINVAL;
  switch (data) {
    case IrqData.none:
      if (action === IrqAction.trigger && count === 0) {
        if (there > 0) vectors.disable();
        return DONE;
      }
      break;
    case IrqData.bool:
      if (length < SetIrqs.size + count) return EINVAL;
      break;
    case IrqData.eventfd:
      return action === IrqAction.trigger ? assign(vectors, start, count, fds) : EINVAL;
    default:
      return EINVAL;
  }
  for (let i = 0; i < count; i++) {
    if (data === IrqData.bool && bytes[at + SetIrqs.size + i] === 0) continue;
    if (!act(vectors, action, start + i)) return EINVAL;
  }
  return DONE;
}

function act(vectors: MsixVectors, action: number, vector: number): boolean {
  switch (action) {
    case IrqAction.mask:
      vectors.mask(vector);
      return true;
    case IrqAction.unmask:
      vectors.unmask(vector);
      return true;
    case IrqAction.trigger:
      vectors.raise(vector);
      return true;
    default:
      return false;
  }
}

/** A vector without a descriptor has none from now on. */
function assign(vectors: MsixVectors, start: number, count: number, fds: Descriptors): number {
  const events: (EventDescriptor | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const fd = fds?.[i];
    const event = fd === undefined ? undefined : EventDescriptor.passed(fd);
    if (event instanceof SystemError) return event.errno;
    events.push(event);
  }
  for (let i = 0; i < count; i++) {
    if (fds !== undefined) fds[i] = undefined;
    vectors.assign(start + i, events[i]);
  }
  return DONE;
}
