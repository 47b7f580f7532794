import { TransferType } from "../usb/urb.ts";
import { Priority } from "./outbox.ts";
import { Status } from "./status.ts";

/** Control and interrupt transfers are urgent, and cost no credit. */
export function requestPriority(type: TransferType): Priority {
  switch (type) {
    case TransferType.control:
    case TransferType.interrupt:
      return Priority.urgent;
    case TransferType.isochronous:
      return Priority.isochronous;
    case TransferType.bulk:
      return Priority.bulk;
  }
}

/** As its request; but the end of a cancelled one that brings nothing does not wait behind data. */
export function responsePriority(type: TransferType, status: number, transferredLength: number): Priority {
  return status === Status.CANCELLED && transferredLength === 0 ? Priority.urgent : requestPriority(type);
}
