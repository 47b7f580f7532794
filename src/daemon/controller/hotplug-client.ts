import { closeSync, openSync } from "node:fs";
import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { enumerate } from "../../hardware/usbfs/enumeration.ts";
import { sendDescriptors } from "../../linux/descriptor-passing.ts";
import { StreamSockets, WOULD_BLOCK } from "../../linux/stream-socket.ts";
import { SystemError } from "../../linux/system-error.ts";
import { connectUnix } from "../../linux/unix-socket.ts";
import { AccessDenied, Failed } from "../failure.ts";
import { readHardwareChoice, theDevice } from "../hardware/hardware-choice.ts";
import { lossOf } from "../hardware/loss.ts";
import { type MachineRoots, machineRoots } from "../hardware/machine-roots.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import { deviceNamed } from "../state/device-name.ts";
import type { StateFolder } from "../state/state-folder.ts";
import { HotplugAnswer, HotplugOperation, HotplugRequest } from "./hotplug-message.ts";

/** Longer than a device takes that hangs in its reset. */
const ANSWER_MS = 30_000;

const REFUSALS: ReadonlyMap<number, string> = new Map([
  [HotplugAnswer.noFreePort, "every port for its speed is taken. Unplug another device first."],
  [HotplugAnswer.speedUnknown, "the controller cannot see it in /sys. Show it the sysfs of this machine."],
  [HotplugAnswer.notOpened, "the controller cannot use it; its log tells why."],
]);

/**
 * Opens a device of this machine and hands it over at the hot-plug socket of a controller. `isForced`: also one that this machine
 * needs. Rejects with WrongUsage, AccessDenied or Failed.
 */
export async function passDevice(
  path: string,
  text: string,
  isForced: boolean,
  folder: StateFolder,
  roots: MachineRoots = machineRoots(),
): Promise<HardwareDevice> {
  const choice = readHardwareChoice(await deviceNamed(text, folder));
  const devices = await enumerate(roots);
  const device = theDevice(devices, choice, text);
  if (device === undefined) {
    throw new Failed(`there is no "${text}" at this machine: \`usbferry list\` shows what is plugged in.`);
  }
  const { busid, busnum, devnum } = device;
  const loss = isForced ? undefined : await lossOf(device, devices, roots);
  if (loss !== undefined) {
    throw new Failed(`${busid} ${loss} while a VM has it. If that is meant: use --force.`);
  }
  const node = open(device);
  try {
    const request = { operation: HotplugOperation.attach, bus: busnum, device: devnum };
    const answer = await ask(path, HotplugRequest.encode(request), node);
    if (answer === HotplugAnswer.done) return device;
    throw new Failed(`${busid} was not plugged in: ${REFUSALS.get(answer) ?? `the answer was ${answer}.`}`);
  } finally {
    closeSync(node);
  }
}

function open({ busid, node }: HardwareDevice): number {
  try {
    return openSync(node, "r+");
  } catch (error) {
    throw new AccessDenied(`${busid}: ${(error as Error).message}. Run this as a user who may open ${node}.`);
  }
}

/** The first byte of the answer. */
async function ask(path: string, request: Uint8Array, passed: number): Promise<number> {
  const fd = connectUnix(path);
  if (fd instanceof SystemError) {
    throw new Failed(
      `nobody listens at ${path} (${fd.code}). Start a controller with \`usbferry controller --hotplug-socket ${path}\`.`,
    );
  }
  try {
    const sent = sendDescriptors(fd, request, [passed]);
    if (sent instanceof SystemError) throw sent;
    return await firstByte(fd);
  } finally {
    closeSync(fd);
  }
}

async function firstByte(fd: number): Promise<number> {
  const sockets = StreamSockets.open();
  if (sockets instanceof SystemError) throw sockets;
  const loop = new LibuvLoop();
  const byte = new Uint8Array(1);
  const length = await new Promise<number | SystemError>((resolve) => {
    const late = loop.after(ANSWER_MS, () => over(WOULD_BLOCK));
    const watch = loop.watch(fd, "readable", () => over(sockets.receive(fd, byte)));
    const over = (outcome: number | SystemError): void => {
      watch.cancel();
      late.cancel();
      resolve(outcome);
    };
  });
  if (length === 1) return byte[0]!;
  const why = length === WOULD_BLOCK ? "does not answer" : "has closed without an answer";
  throw new Failed(`the controller ${why}; its log may tell why.`);
}
