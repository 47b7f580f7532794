import type { NodeNumbers } from "../../hardware/usbfs/node-numbers.ts";
import { u8 } from "../../wire/field.ts";
import { littleEndian } from "../../wire/struct.ts";

/**
 * What is said at a hot-plug socket, one request for each connection (usbvfiod: src/hotplug_protocol). With `attach` comes the open node
 * of the device.
 */
export const HotplugRequest = littleEndian("HOTPLUG_REQUEST", { operation: u8, bus: u8, device: u8 });

export const HotplugOperation = { attach: 0, detach: 1, list: 2 } as const;

/** The first byte of an answer, and but for `listFollows` the only one. */
export const HotplugAnswer = {
  done: 0,
  listFollows: 1,
  noFreePort: 2,
  speedUnknown: 3,
  notOpened: 4,
  noSuchDevice: 5,
} as const;
export type HotplugAnswer = (typeof HotplugAnswer)[keyof typeof HotplugAnswer];

/** `listFollows`, their number, and two bytes of each. */
export function listAnswer(devices: readonly NodeNumbers[]): Uint8Array {
  const numbers = devices.flatMap(({ busnum, devnum }) => [busnum, devnum]);
  return Uint8Array.of(HotplugAnswer.listFollows, devices.length, ...numbers);
}
