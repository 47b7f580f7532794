import { parseDescriptors } from "../usb/descriptor-walk.ts";
import type { OpenError, UsbDevice } from "../usb/device.ts";
import type { TransferCounters } from "../usb/transfer-counters.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { DeviceInfo, INSTANCE_ID_MAX, InterfaceInfo } from "./messages.ts";

/** A device that a host offers; here it is described, not opened. */
export interface OfferedDevice {
  /** At most 255 printable ASCII characters; what an attach names. */
  readonly busid: string;
  /** For people. */
  readonly description: string;
  /** Where it is known without asking the device. */
  readonly serial: string | undefined;
  readonly device: Pick<UsbDevice, "speed" | "descriptors" | "configuration">;
  /** Somebody has it. */
  readonly attached: boolean;
}

/** How an attached device came to its end. */
export type DeviceEnd =
  /** The client gave it back. */
  | "detached"
  | "unplugged"
  /** It was taken back: see `AttachedHandle.takeBack`. */
  | "taken back"
  /** With its connection. */
  | "disconnected";

/** A device that a client has, for the host to act on. */
export interface AttachedHandle {
  readonly counters: TransferCounters;
  /** Takes it away from the client; `closed` of its claim follows. */
  takeBack(): void;
}

/** A device that a client may have. Either `refused` is called or, once the device is its own, `attached`. */
export interface Claim {
  readonly device: UsbDevice;
  /** Tells where the lives of its URBs are written, if somebody looks for lost time. */
  attached(handle: AttachedHandle): SessionTrace | undefined;
  refused(error: OpenError): void;
  /** Another configuration is active, and the list of what is offered not the same any more. */
  configured(): void;
  /** It is free again. Called once, after `attached`. */
  closed(end: DeviceEnd): void;
}

/** What a host can offer to one client. */
export interface Offers {
  devices(): Iterable<OfferedDevice>;
  claim(busid: string): Claim | OpenError;
}

/** bNumInterfaces is one byte. */
const INTERFACES_MAX = 255;

/**
 * Bytes of a device in a list or an event, by its active configuration, or its first one while it has none. Nothing
 * for a device whose descriptors cannot be read.
 */
export function encodeInfo(offered: OfferedDevice): Uint8Array | undefined {
  const { device } = offered;
  const descriptors = parseDescriptors(device.descriptors);
  if (descriptors instanceof ProtocolError) return undefined;
  const { configurations } = descriptors;
  const active = configurations.find((c) => c.descriptor.bConfigurationValue === device.configuration);
  const settings = (active ?? configurations[0])?.settings ?? [];
  const interfaces = settings
    .filter(({ descriptor }) => descriptor.bAlternateSetting === 0)
    .slice(0, INTERFACES_MAX);
  const bytes = new Uint8Array(DeviceInfo.size + interfaces.length * InterfaceInfo.size);
  DeviceInfo.encodeInto(
    {
      instance_id: offered.busid,
      description: asciiOf(offered.description),
      vid: descriptors.device.idVendor,
      pid: descriptors.device.idProduct,
      bcdDevice: descriptors.device.bcdDevice,
      class: descriptors.device.bDeviceClass,
      subclass: descriptors.device.bDeviceSubClass,
      protocol: descriptors.device.bDeviceProtocol,
      configuration_count: descriptors.device.bNumConfigurations,
      current_configuration: device.configuration,
      is_attached: offered.attached ? 1 : 0,
      speed: device.speed,
      interface_count: interfaces.length,
      reserved: 0,
      serial: isAscii(offered.serial ?? "") ? (offered.serial ?? "") : "",
    },
    bytes,
    0,
  );
  for (const [i, { descriptor }] of interfaces.entries()) {
    InterfaceInfo.encodeInto(
      {
        class: descriptor.bInterfaceClass,
        subclass: descriptor.bInterfaceSubClass,
        protocol: descriptor.bInterfaceProtocol,
        reserved: 0,
      },
      bytes,
      DeviceInfo.size + i * InterfaceInfo.size,
    );
  }
  return bytes;
}

/** Whether a bus id can be a name on the wire. */
export function isInstanceId(busid: string): boolean {
  return busid.length > 0 && busid.length <= INSTANCE_ID_MAX && /^[\x21-\x7e]+$/.test(busid);
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]{0,127}$/.test(text);
}

export function asciiOf(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
