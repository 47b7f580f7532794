import {
  configurationDescriptor,
  endpointDescriptor,
  interfaceDescriptor,
  superSpeedCompanion,
} from "../usb/descriptor-build.ts";
import { DescriptorType } from "../usb/descriptors.ts";
import { Speed } from "../usb/speed.ts";
import { TransferType } from "../usb/urb.ts";
import { u8, u16 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/** bmRequestType and bRequest (HID 1.11 §7.1.1, §7.2). */
export const HidRequest = {
  GET_INTERFACE_DESCRIPTOR: 0x8106,
  GET_REPORT: 0xa101,
  GET_IDLE: 0xa102,
  GET_PROTOCOL: 0xa103,
  SET_REPORT: 0x2109,
  SET_IDLE: 0x210a,
  SET_PROTOCOL: 0x210b,
} as const;

/** High byte of wValue in GET_REPORT and SET_REPORT; the low byte is the report ID, 0 without IDs. */
export const INPUT_REPORT = 0x0100;
export const OUTPUT_REPORT = 0x0200;

/** HID 1.11 §7.2.4: the idle rate counts in 4 ms. */
export const IDLE_UNIT_MS = 4;

/** wValue of SET_PROTOCOL (HID 1.11 §7.2.6). */
export const HidProtocol = { boot: 0, report: 1 } as const;

/** The endpoint for reports. */
export const REPORTS_IN = 0x81;

/** HID 1.11 §6.2.1 */
const HidDescriptor = littleEndian("HID descriptor", {
  bLength: u8,
  bDescriptorType: u8,
  bcdHID: u16,
  bCountryCode: u8,
  bNumDescriptors: u8,
  bReportDescriptorType: u8,
  wReportDescriptorLength: u16,
});

export function hidDescriptor(reportDescriptor: Uint8Array): Uint8Array {
  return HidDescriptor.encode({
    bLength: HidDescriptor.size,
    bDescriptorType: DescriptorType.HID,
    bcdHID: 0x0111,
    bCountryCode: 0,
    bNumDescriptors: 1,
    bReportDescriptorType: DescriptorType.HID_REPORT,
    wReportDescriptorLength: reportDescriptor.length,
  });
}

/** bInterfaceProtocol of boot devices (HID 1.11 §4.3). */
export const BootProtocol = { keyboard: 1, mouse: 2 } as const;

/** A boot device: one interface whose reports are of `reportLength` bytes at most. */
export function bootConfigurations(
  speed: Speed,
  bInterfaceProtocol: (typeof BootProtocol)[keyof typeof BootProtocol],
  descriptor: Uint8Array,
  reportLength: number,
): readonly Uint8Array[] {
  const parts = [
    interfaceDescriptor({
      bInterfaceNumber: 0,
      bAlternateSetting: 0,
      bNumEndpoints: 1,
      bInterfaceClass: 3, // HID
      bInterfaceSubClass: 1, // boot interface
      bInterfaceProtocol,
      iInterface: 0,
    }),
    descriptor,
    endpointDescriptor({
      bEndpointAddress: REPORTS_IN,
      bmAttributes: TransferType.interrupt,
      wMaxPacketSize: reportLength,
      // 10 ms, the shortest that low speed allows (USB 2.0 §5.7.4); 2^6 microframes are 8 ms.
      bInterval: speed >= Speed.high ? 7 : 10,
    }),
  ];
  if (speed >= Speed.super) {
    parts.push(superSpeedCompanion({ bMaxBurst: 0, bmAttributes: 0, wBytesPerInterval: reportLength }));
  }
  return [
    configurationDescriptor(
      {
        bConfigurationValue: 1,
        iConfiguration: 0,
        bmAttributes: 0xa0, // remote wakeup
        // 100 mA in units of 2 mA, of 8 mA from super speed on.
        bMaxPower: speed >= Speed.super ? 12 : 50,
      },
      ...parts,
    ),
  ];
}
