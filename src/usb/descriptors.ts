import { u8, u16, u32 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/** bDescriptorType (USB 2.0 table 9-5, USB 3.2 table 9-6, class specifications from 0x21). */
export const DescriptorType = {
  DEVICE: 1,
  CONFIGURATION: 2,
  STRING: 3,
  INTERFACE: 4,
  ENDPOINT: 5,
  DEVICE_QUALIFIER: 6,
  OTHER_SPEED_CONFIGURATION: 7,
  INTERFACE_ASSOCIATION: 11,
  BOS: 15,
  DEVICE_CAPABILITY: 16,
  HID: 0x21,
  HID_REPORT: 0x22,
  SUPERSPEED_ENDPOINT_COMPANION: 48,
} as const;

/** USB 2.0 §9.6.1 */
export const DeviceDescriptor = littleEndian("device descriptor", {
  bLength: u8,
  bDescriptorType: u8,
  bcdUSB: u16,
  bDeviceClass: u8,
  bDeviceSubClass: u8,
  bDeviceProtocol: u8,
  bMaxPacketSize0: u8,
  idVendor: u16,
  idProduct: u16,
  bcdDevice: u16,
  iManufacturer: u8,
  iProduct: u8,
  iSerialNumber: u8,
  bNumConfigurations: u8,
});

/** USB 2.0 §9.6.2 */
export const DeviceQualifier = littleEndian("device qualifier", {
  bLength: u8,
  bDescriptorType: u8,
  bcdUSB: u16,
  bDeviceClass: u8,
  bDeviceSubClass: u8,
  bDeviceProtocol: u8,
  bMaxPacketSize0: u8,
  bNumConfigurations: u8,
  bReserved: u8,
});

/** USB 2.0 §9.6.3 */
export const ConfigurationDescriptor = littleEndian("configuration descriptor", {
  bLength: u8,
  bDescriptorType: u8,
  wTotalLength: u16,
  bNumInterfaces: u8,
  bConfigurationValue: u8,
  iConfiguration: u8,
  bmAttributes: u8,
  bMaxPower: u8,
});

/** USB 2.0 §9.6.5 */
export const InterfaceDescriptor = littleEndian("interface descriptor", {
  bLength: u8,
  bDescriptorType: u8,
  bInterfaceNumber: u8,
  bAlternateSetting: u8,
  bNumEndpoints: u8,
  bInterfaceClass: u8,
  bInterfaceSubClass: u8,
  bInterfaceProtocol: u8,
  iInterface: u8,
});

/** USB 2.0 §9.6.6 */
export const EndpointDescriptor = littleEndian("endpoint descriptor", {
  bLength: u8,
  bDescriptorType: u8,
  bEndpointAddress: u8,
  bmAttributes: u8,
  wMaxPacketSize: u16,
  bInterval: u8,
});

/** USB 3.2 §9.6.7 */
export const SuperSpeedEndpointCompanion = littleEndian("SuperSpeed endpoint companion", {
  bLength: u8,
  bDescriptorType: u8,
  bMaxBurst: u8,
  bmAttributes: u8,
  wBytesPerInterval: u16,
});

/** USB 3.2 §9.6.2 */
export const BosDescriptor = littleEndian("BOS descriptor", {
  bLength: u8,
  bDescriptorType: u8,
  wTotalLength: u16,
  bNumDeviceCaps: u8,
});

/** bDevCapabilityType (USB 3.2 table 9-14). */
export const DeviceCapability = { USB_2_0_EXTENSION: 2, SUPERSPEED_USB: 3 } as const;

/** USB 3.2 §9.6.2.1 */
export const Usb20Extension = littleEndian("USB 2.0 extension", {
  bLength: u8,
  bDescriptorType: u8,
  bDevCapabilityType: u8,
  bmAttributes: u32,
});

/** USB 3.2 §9.6.2.2 */
export const SuperSpeedCapability = littleEndian("SuperSpeed capability", {
  bLength: u8,
  bDescriptorType: u8,
  bDevCapabilityType: u8,
  bmAttributes: u8,
  wSpeedsSupported: u16,
  bFunctionalitySupport: u8,
  bU1DevExitLat: u8,
  wU2DevExitLat: u16,
});
