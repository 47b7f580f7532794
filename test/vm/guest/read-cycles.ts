import { UsbfsDevice, type UsbfsUrb } from "./usbfs.ts";

/** How the transfers of many cycles ended, by status. */
export type Endings = Readonly<Record<string, number>>;

const READS = 4;
const READ_LENGTH = 16_384;

/** How a cycle ends: each read is discarded, or in every other cycle the device is closed with its reads pending. */
export type CycleEnd = "discard" | "discard or close";

/** Starts reads and cancels them again, many times. */
export async function cancelReads(
  node: string,
  configuration: number,
  endpoint: number,
  cycles: number,
  end: CycleEnd,
): Promise<Endings> {
  const endings: Record<string, number> = {};
  const note = (status: number): void => {
    endings[status] = (endings[status] ?? 0) + 1;
  };
  const setUp = new UsbfsDevice(node);
  const configured = setUp.configure(configuration);
  setUp.close();
  if (configured !== 0) throw new Error(`SETCONFIGURATION answers ${configured}`);

  for (let cycle = 0; cycle < cycles; cycle++) {
    const device = new UsbfsDevice(node);
    const claimed = device.claim(0);
    if (claimed !== 0) throw new Error(`CLAIMINTERFACE answers ${claimed} in cycle ${cycle}`);
    const reads: UsbfsUrb[] = [];
    for (let read = 0; read < READS; read++) {
      reads.push(device.submit({ type: "bulk", endpoint, data: READ_LENGTH }));
    }
    if (end === "discard" || cycle % 2 === 0) {
      for (const read of reads) read.discard();
      for (const { status } of await Promise.all(reads.map((read) => read.completed))) note(status);
    }
    device.close();
  }
  return endings;
}
