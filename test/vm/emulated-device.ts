import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Guest } from "./guest.ts";
import { CONTROLLERS, type ControllerName, SOUND, SOUND_FILE } from "./usb-controllers.ts";

/**
 * Where a device is plugged in: `uhci` has 2 ports and takes low and full speed, `ehci` 6 and high speed only, `xhci` 15
 * and everything. They are there where a guest is booted with `controllers`.
 */
export interface Place {
  readonly controller: ControllerName;
  readonly port: number;
}

/** A device that QEMU emulates, which is a real one to the guest: it hangs on a controller of the guest's machine. */
export interface EmulatedDevice {
  /** A device of QEMU's, and its properties, as `device_add` takes them. */
  readonly driver: string;
  readonly properties: Readonly<Record<string, unknown>>;
  /** What is in it: the card in a reader. */
  readonly content?: EmulatedDevice;
}

/** A device that is plugged in. */
export interface PluggedDevice {
  /** Name below /sys/bus/usb/devices, which is also its bus id for `usbferry` and `usbip`. */
  readonly busid: string;
  /** Pulls it out, whatever it does at that moment. Resolves with QEMU's reply, when it is gone. */
  readonly pull: () => Promise<void>;
}

let nextNumber = 1;

/** What pulls out each device of a guest. */
const pluggedIn = new WeakMap<Guest, Set<() => Promise<void>>>();

/** Pulls out everything: a scenario that fails leaves the guest to the next one. */
export async function pullAll(guest: Guest): Promise<void> {
  for (const pull of pluggedIn.get(guest) ?? []) await pull();
}

/** Plugs the device in and waits until the guest's kernel has configured it. */
export async function plug(guest: Guest, device: EmulatedDevice, place: Place): Promise<PluggedDevice> {
  const pull = await insert(guest, device, place);
  return { busid: await configuredAt(guest, place), pull };
}

/** Plugs the device in and resolves with QEMU's reply; answers what pulls it out again. */
export async function insert(
  guest: Guest,
  { driver, properties, content }: EmulatedDevice,
  { controller, port }: Place,
): Promise<() => Promise<void>> {
  const id = `device${nextNumber++}`;
  const where = { bus: `${controller}.0`, port: String(port) };
  await guest.monitor.execute("device_add", { driver, id, ...where, ...properties });
  if (content !== undefined)
    await guest.monitor.execute("device_add", {
      driver: content.driver,
      id: `${id}-content`,
      bus: `${id}.0`,
      ...content.properties,
    });
  const others = pluggedIn.get(guest) ?? new Set();
  pluggedIn.set(guest, others);
  const pull = async (): Promise<void> => {
    others.delete(pull);
    const gone = guest.monitor.next("DEVICE_DELETED", ({ device }) => device === id);
    await Promise.all([guest.monitor.execute("device_del", { id }), gone]);
  };
  others.add(pull);
  return pull;
}

/** Bus id of what is plugged in there, as soon as the guest's kernel has configured it. */
export async function configuredAt(guest: Guest, { controller, port }: Place): Promise<string> {
  const path = `/sys/bus/pci/devices/0000:00:${CONTROLLERS[controller].address}.0/usb*/*-${port}`;
  await guest.waitFor(
    `a device at port ${port} of ${controller}`,
    `[ -n "$(cat ${path}/bConfigurationValue)" ]`,
  );
  return (await guest.shell(`basename ${path}`)).trim();
}

/** A stick (bulk-only, SuperSpeed where the port has it) with the content of an image on this machine. */
export async function stick(guest: Guest, image: string, serial?: string): Promise<EmulatedDevice> {
  const drive = `drive${nextNumber++}`;
  const file = { driver: "file", filename: image };
  await guest.monitor.execute("blockdev-add", { driver: "raw", "node-name": drive, file });
  // share-rw: the same image may be in two devices, one after the other.
  return {
    driver: "usb-storage",
    properties: { drive, "share-rw": true, ...(serial !== undefined && { serial }) },
  };
}

export const KEYBOARD: EmulatedDevice = { driver: "usb-kbd", properties: {} };
export const MOUSE: EmulatedDevice = { driver: "usb-mouse", properties: {} };

/** A loudspeaker with sixteen bits, two channels and 48 kHz; what it plays is in `soundFile`. */
export const LOUDSPEAKER: EmulatedDevice = { driver: "usb-audio", properties: { audiodev: SOUND } };

/** The file that the loudspeaker of a guest writes: a WAV file, which begins anew whenever it is plugged in. */
export function soundFile(guest: Guest): string {
  return join(guest.folder, SOUND_FILE);
}

/** A file tree of this machine, behind the Media Transfer Protocol. */
export function player(folder: string): EmulatedDevice {
  return { driver: "usb-mtp", properties: { rootdir: folder } };
}

/** A network adapter; behind it 10.0.3.2 is this machine, and 10.0.3.15 is what the guest shall call itself. */
export async function networkAdapter(guest: Guest): Promise<EmulatedDevice> {
  const netdev = `net${nextNumber++}`;
  await guest.monitor.execute("netdev_add", { type: "user", id: netdev, net: "10.0.3.0/24", ipv6: false });
  return { driver: "usb-net", properties: { netdev } };
}

/** A device with a wire to this process. */
export interface WiredDevice {
  readonly device: EmulatedDevice;
  /** What the guest sends comes out here, and what is written here goes to the guest. */
  readonly wire: Socket;
}

/** A serial adapter of FTDI's make. */
export async function serialAdapter(guest: Guest): Promise<WiredDevice> {
  const { chardev, wire } = await wireTo(guest);
  return { device: { driver: "usb-serial", properties: { chardev } }, wire };
}

/** A smart-card reader, and the wire to the card in it; see smart-card.ts. */
export async function cardReader(guest: Guest): Promise<WiredDevice> {
  const { chardev, wire } = await wireTo(guest);
  const content = { driver: "ccid-card-passthru", properties: { chardev } };
  return { device: { driver: "usb-ccid", properties: {}, content }, wire };
}

/** A stream between a character device of QEMU and this process. */
async function wireTo(guest: Guest): Promise<{ readonly chardev: string; readonly wire: Socket }> {
  const chardev = `wire${nextNumber++}`;
  const path = join(guest.folder, chardev);
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const addr = { type: "unix", data: { path } };
  const [[wire]] = await Promise.all([
    once(server, "connection"),
    guest.monitor.execute("chardev-add", {
      id: chardev,
      backend: { type: "socket", data: { addr, server: false } },
    }),
  ]);
  server.close();
  return { chardev, wire: wire as Socket };
}

/** Presses and releases keys one after the other, by QEMU's names for them (`a`, `shift`, `ret`). */
export async function pressKeys(guest: Guest, keys: readonly string[]): Promise<void> {
  for (const key of keys)
    for (const down of [true, false]) {
      const data = { key: { type: "qcode", data: key }, down };
      // oxlint-disable-next-line no-await-in-loop -- in this order
      await guest.monitor.execute("input-send-event", { events: [{ type: "key", data }] });
    }
}

/** Moves the mouse. */
export async function moveMouse(guest: Guest, x: number, y: number): Promise<void> {
  const moves = { x, y };
  const events = Object.entries(moves).map(([axis, value]) => ({ type: "rel", data: { axis, value } }));
  await guest.monitor.execute("input-send-event", { events });
}
