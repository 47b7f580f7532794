import {
  configurationDescriptor,
  endpointDescriptor,
  interfaceDescriptor,
  superSpeedCompanion,
} from "../usb/descriptor-build.ts";
import { Speed } from "../usb/speed.ts";
import { TransferType } from "../usb/urb.ts";
import { bulkPacketSize } from "./bulk-packet-size.ts";

export const CONTROL_INTERFACE = 0;
const DATA_INTERFACE = 1;

export const BULK_IN = 0x81;
export const BULK_OUT = 0x02;
export const NOTIFICATIONS = 0x83;

/** bmRequestType of a notification, bNotification, wValue, wIndex, wLength, and the state (PSTN 1.2 §6.5.4). */
export const SERIAL_STATE_LENGTH = 10;

/** Functional descriptors (CDC 1.2 §5.2.3, PSTN 1.2 §5.3). */
const CS_INTERFACE = 0x24;
const HEADER = Uint8Array.of(5, CS_INTERFACE, 0x00, 0x10, 0x01); // CDC 1.10
const CALL_MANAGEMENT = Uint8Array.of(5, CS_INTERFACE, 0x01, 0x00, DATA_INTERFACE); // none
/** Line coding, control lines and serial state (bit 1), SEND_BREAK (bit 2). */
const ABSTRACT_CONTROL = Uint8Array.of(4, CS_INTERFACE, 0x02, 0x06);
const UNION = Uint8Array.of(5, CS_INTERFACE, 0x06, CONTROL_INTERFACE, DATA_INTERFACE);

/** A modem of the Abstract Control Model (PSTN 1.2 §3.6): an interface to control it, one for its data. */
export function serialConfigurations(speed: Speed): readonly Uint8Array[] {
  const endpoint = (
    bEndpointAddress: number,
    bmAttributes: TransferType,
    size: number,
    bInterval: number,
  ) => [
    endpointDescriptor({ bEndpointAddress, bmAttributes, wMaxPacketSize: size, bInterval }),
    ...(speed >= Speed.super ? [companion(bmAttributes)] : []),
  ];
  // 8 ms: 2^6 microframes from high speed on.
  const notificationInterval = speed >= Speed.high ? 7 : 8;
  return [
    configurationDescriptor(
      { bConfigurationValue: 1, iConfiguration: 0, bmAttributes: 0xc0, bMaxPower: 1 },
      // Communications, abstract control model, AT commands: what drivers look for.
      ourInterface(CONTROL_INTERFACE, 1, 0x02, 0x02, 0x01),
      HEADER,
      CALL_MANAGEMENT,
      ABSTRACT_CONTROL,
      UNION,
      ...endpoint(NOTIFICATIONS, TransferType.interrupt, 16, notificationInterval),
      ourInterface(DATA_INTERFACE, 2, 0x0a, 0x00, 0x00),
      ...endpoint(BULK_IN, TransferType.bulk, bulkPacketSize(speed), 0),
      ...endpoint(BULK_OUT, TransferType.bulk, bulkPacketSize(speed), 0),
    ),
  ];
}

function ourInterface(
  bInterfaceNumber: number,
  bNumEndpoints: number,
  bInterfaceClass: number,
  bInterfaceSubClass: number,
  bInterfaceProtocol: number,
): Uint8Array {
  return interfaceDescriptor({
    bInterfaceNumber,
    bAlternateSetting: 0,
    bNumEndpoints,
    bInterfaceClass,
    bInterfaceSubClass,
    bInterfaceProtocol,
    iInterface: 0,
  });
}

function companion(type: TransferType): Uint8Array {
  const wBytesPerInterval = type === TransferType.interrupt ? 16 : 0;
  return superSpeedCompanion({ bMaxBurst: 0, bmAttributes: 0, wBytesPerInterval });
}
