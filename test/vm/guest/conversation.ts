import { UsbfsDevice } from "./usbfs.ts";

/** One thing to do with a device: a vendor request for data, a read, a write, or clearing a halt. */
export type Turn =
  | { readonly request: readonly number[] }
  | { readonly in: number; readonly length?: number }
  | { readonly out: number; readonly text: string }
  | { readonly clear: number };

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Where a read does not say how much it takes. */
const READ_LENGTH = 512;

/** Does them one after the other on interface 0; bytes travel as Latin-1. */
export async function converse(node: string, turns: readonly Turn[]): Promise<Answer[]> {
  const device = new UsbfsDevice(node);
  const claimed = device.claim(0);
  if (claimed !== 0) throw new Error(`CLAIMINTERFACE answers ${claimed}`);
  const answers: Answer[] = [];
  for (const turn of turns) answers.push(await answer(device, turn));
  device.close();
  return answers;
}

async function answer(device: UsbfsDevice, turn: Turn): Promise<Answer> {
  if ("clear" in turn) return { status: device.clearHalt(turn.clear), text: "" };
  const { status, data } = await device.transfer(
    "request" in turn
      ? { type: "control", endpoint: 0x80, data: requestFor(turn.request) }
      : "in" in turn
        ? { type: "bulk", endpoint: turn.in, data: turn.length ?? READ_LENGTH }
        : { type: "bulk", endpoint: turn.out, data: Buffer.from(turn.text, "latin1") },
  );
  return { status, text: data.toString("latin1") };
}

/** bmRequestType, bRequest, wValue, wIndex, wLength, with room for the answer behind the setup. */
function requestFor([bmRequestType, bRequest, wValue, wIndex, wLength]: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 + wLength!);
  bytes.writeUInt8(bmRequestType!, 0);
  bytes.writeUInt8(bRequest!, 1);
  bytes.writeUInt16LE(wValue!, 2);
  bytes.writeUInt16LE(wIndex!, 4);
  bytes.writeUInt16LE(wLength!, 6);
  return bytes;
}
