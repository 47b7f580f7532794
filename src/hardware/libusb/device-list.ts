import type { Libusb } from "./library.ts";

/** Devices of a context. They and what belongs to them are there until they are freed. */
export interface DeviceList {
  readonly devices: readonly number[];
  readonly free: () => void;
}

const POINTER = 8;

/** Lists the devices of a context, none if that fails: where there are no events, the system is asked, which may take long. */
export function listDevices(library: Libusb, context: number, done: (list: DeviceList) => void): void {
  const out = new BigUint64Array(1);
  library.getDeviceList.async(context, out, (_, count) => {
    if (count < 0) {
      done({ devices: [], free: () => {} });
      return;
    }
    const list = Number(out[0]);
    const pointers = new BigUint64Array(library.memory.view(list, (count + 1) * POINTER), 0, count);
    done({ devices: Array.from(pointers, Number), free: () => library.freeDeviceList(list, 1) });
  });
}
