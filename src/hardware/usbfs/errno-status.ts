import { TransferStatus } from "../../usb/urb.ts";

export const ENOMEM = 12;
export const ENODEV = 19;

/** How a URB, or a packet of it, has ended (https://docs.kernel.org/driver-api/usb/error-codes.html). */
const ENDED: ReadonlyMap<number, TransferStatus> = new Map<number, TransferStatus>([
  [0, TransferStatus.ok],
  [-2 /* ENOENT: killed */, TransferStatus.disconnected],
  [-12 /* ENOMEM */, TransferStatus.noMemory],
  [-18 /* EXDEV */, TransferStatus.notDone],
  [-19 /* ENODEV */, TransferStatus.disconnected],
  [-22 /* EINVAL */, TransferStatus.invalid],
  [-32 /* EPIPE */, TransferStatus.stall],
  [-62 /* ETIME */, TransferStatus.timeout],
  [-63 /* ENOSR */, TransferStatus.underrun],
  [-70 /* ECOMM */, TransferStatus.overrun],
  [-71 /* EPROTO */, TransferStatus.protocol],
  [-75 /* EOVERFLOW */, TransferStatus.overflow],
  [-84 /* EILSEQ */, TransferStatus.crc],
  [-104 /* ECONNRESET: unlinked */, TransferStatus.disconnected],
  [-108 /* ESHUTDOWN */, TransferStatus.disconnected],
  [-110 /* ETIMEDOUT */, TransferStatus.timeout],
  [-121 /* EREMOTEIO */, TransferStatus.short],
]);

/** Why the kernel did not take a URB (drivers/usb/core/devio.c, urb.c). */
const REFUSED: ReadonlyMap<number, TransferStatus> = new Map<number, TransferStatus>([
  [2 /* ENOENT: no such endpoint or interface */, TransferStatus.stall],
  [12 /* ENOMEM */, TransferStatus.noMemory],
  [14 /* EFAULT */, TransferStatus.invalid],
  [19 /* ENODEV */, TransferStatus.disconnected],
  [22 /* EINVAL */, TransferStatus.invalid],
  [27 /* EFBIG: its time has passed */, TransferStatus.invalid],
  [28 /* ENOSPC: no bandwidth is left on the bus */, TransferStatus.noMemory],
  [32 /* EPIPE */, TransferStatus.stall],
  [90 /* EMSGSIZE: longer than the endpoint can carry */, TransferStatus.invalid],
  [108 /* ESHUTDOWN */, TransferStatus.disconnected],
]);

/**
 * `status` as the kernel gives it: 0 or below. Who has cancelled a URB knows it by `disconnected`; the kernel ends those
 * of a device that is gone in the same way.
 */
export function endedStatus(status: number): TransferStatus {
  return ENDED.get(status) ?? TransferStatus.protocol;
}

export function refusedStatus(errno: number): TransferStatus {
  return REFUSED.get(errno) ?? TransferStatus.protocol;
}
