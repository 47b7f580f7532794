import { TransferStatus } from "../../usb/urb.ts";
import { LibusbError, LibusbStatus } from "./abi.ts";

/**
 * How a transfer, or a packet of it, has ended. libusb has one word for everything that goes wrong on the bus. Who has
 * cancelled a transfer knows it by `disconnected`; systems end those of a device that is gone in the same way.
 */
const ENDED: ReadonlyMap<number, TransferStatus> = new Map<number, TransferStatus>([
  [LibusbStatus.COMPLETED, TransferStatus.ok],
  [LibusbStatus.ERROR, TransferStatus.protocol],
  [LibusbStatus.TIMED_OUT, TransferStatus.timeout],
  [LibusbStatus.CANCELLED, TransferStatus.disconnected],
  [LibusbStatus.STALL, TransferStatus.stall],
  [LibusbStatus.NO_DEVICE, TransferStatus.disconnected],
  [LibusbStatus.OVERFLOW, TransferStatus.overflow],
]);

/** Why a transfer was not taken, or a call failed. */
const REFUSED: ReadonlyMap<number, TransferStatus> = new Map<number, TransferStatus>([
  [LibusbError.INVALID_PARAM, TransferStatus.invalid],
  [LibusbError.NO_DEVICE, TransferStatus.disconnected],
  [LibusbError.NOT_FOUND, TransferStatus.stall],
  [LibusbError.TIMEOUT, TransferStatus.timeout],
  [LibusbError.OVERFLOW, TransferStatus.overflow],
  [LibusbError.PIPE, TransferStatus.stall],
  [LibusbError.NO_MEM, TransferStatus.noMemory],
  [LibusbError.NOT_SUPPORTED, TransferStatus.invalid],
]);

export function endedStatus(status: number): TransferStatus {
  return ENDED.get(status) ?? TransferStatus.protocol;
}

/** Of a packet: it has not been carried out if its transfer was cancelled. */
export function packetStatus(status: number): TransferStatus {
  return status === LibusbStatus.CANCELLED ? TransferStatus.notDone : endedStatus(status);
}

/** `code` is an error of libusb, below 0. */
export function refusedStatus(code: number): TransferStatus {
  return REFUSED.get(code) ?? TransferStatus.protocol;
}
