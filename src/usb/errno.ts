import { TransferStatus } from "./urb.ts";

/**
 * Transfer status as drivers of Linux see it, and USB/IP and usbmon write it: negative errno numbers
 * (https://docs.kernel.org/driver-api/usb/error-codes.html), the same on every architecture that has them.
 */
const ERRNO: readonly (readonly [TransferStatus, number])[] = [
  [TransferStatus.ok, 0],
  [TransferStatus.stall, -32 /* EPIPE */],
  [TransferStatus.cancelled, -104 /* ECONNRESET */],
  // What a host controller says of a device that was pulled; drivers complain about -ENODEV.
  [TransferStatus.disconnected, -108 /* ESHUTDOWN */],
  [TransferStatus.overflow, -75 /* EOVERFLOW */],
  [TransferStatus.short, -121 /* EREMOTEIO */],
  [TransferStatus.timeout, -110 /* ETIMEDOUT */],
  [TransferStatus.protocol, -71 /* EPROTO */],
  [TransferStatus.crc, -84 /* EILSEQ */],
  [TransferStatus.underrun, -63 /* ENOSR */],
  [TransferStatus.overrun, -70 /* ECOMM */],
  [TransferStatus.invalid, -22 /* EINVAL */],
  [TransferStatus.noMemory, -12 /* ENOMEM */],
  [TransferStatus.notDone, -18 /* EXDEV */],
];

/** Numbers that mean the same to a driver as one of ours. */
const ALSO: readonly (readonly [number, TransferStatus])[] = [
  [-2 /* ENOENT */, TransferStatus.cancelled],
  [-62 /* ETIME */, TransferStatus.timeout],
  [-19 /* ENODEV */, TransferStatus.disconnected],
];

const toErrno: number[] = [];
const toStatus = new Map<number, TransferStatus>(ALSO);
for (const [status, errno] of ERRNO) {
  toErrno[status] = errno;
  toStatus.set(errno, status);
}

export function errnoOf(status: TransferStatus): number {
  return toErrno[status]!;
}

/** A number that is not known is a bus error, the meaning drivers give to -EPROTO. */
export function statusOf(errno: number): TransferStatus {
  return toStatus.get(errno) ?? TransferStatus.protocol;
}
