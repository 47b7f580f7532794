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

/** Modifiers, a reserved byte, six keys. */
export const REPORT_LENGTH = 8;

/** The boot keyboard (HID 1.11 §B.1): items as tag and data. */
export const REPORT_DESCRIPTOR: Uint8Array = Uint8Array.from(
  [
    [0x05, 0x01], // Usage Page (Generic Desktop)
    [0x09, 0x06], // Usage (Keyboard)
    [0xa1, 0x01], // Collection (Application)
    [0x05, 0x07], //   Usage Page (Keyboard)
    [0x19, 0xe0], //   Usage Minimum (Left Control)
    [0x29, 0xe7], //   Usage Maximum (Right GUI)
    [0x15, 0x00], //   Logical Minimum (0)
    [0x25, 0x01], //   Logical Maximum (1)
    [0x75, 0x01], //   Report Size (1)
    [0x95, 0x08], //   Report Count (8)
    [0x81, 0x02], //   Input (Data, Variable, Absolute): modifiers
    [0x75, 0x08], //   Report Size (8)
    [0x95, 0x01], //   Report Count (1)
    [0x81, 0x01], //   Input (Constant): reserved byte
    [0x05, 0x08], //   Usage Page (LEDs)
    [0x19, 0x01], //   Usage Minimum (Num Lock)
    [0x29, 0x05], //   Usage Maximum (Kana)
    [0x75, 0x01], //   Report Size (1)
    [0x95, 0x05], //   Report Count (5)
    [0x91, 0x02], //   Output (Data, Variable, Absolute): LEDs
    [0x75, 0x03], //   Report Size (3)
    [0x95, 0x01], //   Report Count (1)
    [0x91, 0x01], //   Output (Constant): padding
    [0x05, 0x07], //   Usage Page (Keyboard)
    [0x19, 0x00], //   Usage Minimum (0)
    [0x29, 0x65], //   Usage Maximum (Application)
    [0x15, 0x00], //   Logical Minimum (0)
    [0x25, 0x65], //   Logical Maximum (101)
    [0x75, 0x08], //   Report Size (8)
    [0x95, 0x06], //   Report Count (6)
    [0x81, 0x00], //   Input (Data, Array): keys
    [0xc0], // End Collection
  ].flat(),
);

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

export const HID_DESCRIPTOR: Uint8Array = HidDescriptor.encode({
  bLength: HidDescriptor.size,
  bDescriptorType: DescriptorType.HID,
  bcdHID: 0x0111,
  bCountryCode: 0,
  bNumDescriptors: 1,
  bReportDescriptorType: DescriptorType.HID_REPORT,
  wReportDescriptorLength: REPORT_DESCRIPTOR.length,
});

export function keyboardConfigurations(speed: Speed): readonly Uint8Array[] {
  const parts = [
    interfaceDescriptor({
      bInterfaceNumber: 0,
      bAlternateSetting: 0,
      bNumEndpoints: 1,
      bInterfaceClass: 3, // HID
      bInterfaceSubClass: 1, // boot interface
      bInterfaceProtocol: 1, // keyboard
      iInterface: 0,
    }),
    HID_DESCRIPTOR,
    endpointDescriptor({
      bEndpointAddress: 0x81,
      bmAttributes: TransferType.interrupt,
      wMaxPacketSize: REPORT_LENGTH,
      // 10 ms, the shortest that low speed allows (USB 2.0 §5.7.4); 2^6 microframes are 8 ms.
      bInterval: speed >= Speed.high ? 7 : 10,
    }),
  ];
  if (speed >= Speed.super) {
    parts.push(superSpeedCompanion({ bMaxBurst: 0, bmAttributes: 0, wBytesPerInterval: REPORT_LENGTH }));
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
