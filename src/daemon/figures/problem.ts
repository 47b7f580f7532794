import type { ErrorFigures, TransferFigures } from "../../usb/transfer-figures.ts";
import { isIn, type TransferStatus } from "../../usb/urb.ts";

type Status = Exclude<keyof typeof TransferStatus, "ok">;

/** URBs that did not end well, for people. */
export interface Problem {
  /** Of the endpoint, with the direction in bit 7; without one, of endpoints that the device does not have. */
  readonly address?: number;
  readonly status: Status;
  readonly urbs: number;
  readonly text: string;
}

const MEANINGS: Readonly<Record<Status, string>> = {
  stall: "the device refuses the request, or the endpoint is halted",
  cancelled: "the guest took them back before they were done, as drivers do when they stop",
  disconnected: "the device was gone",
  overflow: "the device sent more than was asked for",
  short: "the device sent less than the driver insists on",
  timeout: "the device did not answer in time",
  protocol: "the bus broke down on the way; try another cable, port or hub",
  crc: "the data arrived damaged; try another cable, port or hub",
  underrun: "the computer of the device did not fetch the data fast enough",
  overrun: "the computer of the device did not store the data fast enough",
  invalid: "the guest asked for what this endpoint cannot do",
  noMemory: "a limit of the session was reached: too many requests at a time, or too large ones",
  notDone: "packets were not sent in their time",
};

/** Everything that went wrong, endpoint by endpoint. */
export function problemsOf({ errors, endpoints }: TransferFigures): readonly Problem[] {
  const rest: Partial<Record<Status, number>> = { ...errors };
  const problems: Problem[] = [];
  for (const endpoint of endpoints) {
    for (const [status, urbs] of counted(endpoint.errors)) {
      rest[status] = rest[status]! - urbs;
      const { address } = endpoint;
      problems.push({ address, status, urbs, text: sentence(endpointName(address), status, urbs) });
    }
  }
  for (const [status, urbs] of counted(rest)) {
    problems.push({ status, urbs, text: sentence("endpoints that it does not have", status, urbs) });
  }
  return problems;
}

/** Those that are nobody's wish. */
export function failures(errors: ErrorFigures): number {
  return counted(errors).reduce((sum, [status, urbs]) => (status === "cancelled" ? sum : sum + urbs), 0);
}

export function endpointName(address: number): string {
  return `endpoint ${address & 15} ${isIn(address) ? "IN" : "OUT"}`;
}

function counted(errors: ErrorFigures): readonly (readonly [status: Status, urbs: number])[] {
  return Object.entries(errors).filter(([, urbs]) => urbs > 0) as [Status, number][];
}

function sentence(where: string, status: Status, urbs: number): string {
  return `${urbs} ${urbs === 1 ? "URB" : "URBs"} of ${where} ended with "${status}": ${MEANINGS[status]}.`;
}
