import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import {
  bosDescriptor,
  configurationDescriptor,
  deviceDescriptor,
  deviceQualifier,
  endpointDescriptor,
  interfaceDescriptor,
  otherSpeedConfiguration,
  superSpeedCapability,
  superSpeedCompanion,
  usb20Extension,
} from "./descriptor-build.ts";
import { stringDescriptor } from "./string-descriptor.ts";

const identity = { bcdUSB: 0x0201, bDeviceClass: 0x03, bDeviceSubClass: 0x04, bDeviceProtocol: 0x05 };

test("builds a device descriptor", () => {
  const built = deviceDescriptor({
    ...identity,
    bMaxPacketSize0: 0x40,
    idVendor: 0x1112,
    idProduct: 0x2122,
    bcdDevice: 0x3132,
    iManufacturer: 0x41,
    iProduct: 0x42,
    iSerialNumber: 0x43,
    bNumConfigurations: 0x44,
  });
  const wire = annotatedHex(`
    12          bLength
    01          bDescriptorType
    0102        bcdUSB
    03 04 05    class, subclass, protocol
    40          bMaxPacketSize0
    1211 2221   idVendor, idProduct
    3231        bcdDevice
    41 42 43    strings
    44          bNumConfigurations
  `);
  assert.deepEqual(built, wire);
});

test("builds a device qualifier", () => {
  const built = deviceQualifier({ ...identity, bMaxPacketSize0: 0x40, bNumConfigurations: 2 });
  const wire = annotatedHex(`
    0a 06       bLength, bDescriptorType
    0102        bcdUSB
    03 04 05    class, subclass, protocol
    40 02 00    bMaxPacketSize0, bNumConfigurations, bReserved
  `);
  assert.deepEqual(built, wire);
});

const head = (bAlternateSetting: number, bInterfaceNumber: number) =>
  interfaceDescriptor({
    bInterfaceNumber,
    bAlternateSetting,
    bNumEndpoints: 1,
    bInterfaceClass: 0xff,
    bInterfaceSubClass: 2,
    bInterfaceProtocol: 3,
    iInterface: 4,
  });

const endpoint = endpointDescriptor({
  bEndpointAddress: 0x82,
  bmAttributes: 1,
  wMaxPacketSize: 0x1400,
  bInterval: 4,
});

const configuration = configurationDescriptor(
  { bConfigurationValue: 7, iConfiguration: 5, bmAttributes: 0xc0, bMaxPower: 50 },
  head(0, 0),
  head(1, 0),
  endpoint,
  superSpeedCompanion({ bMaxBurst: 2, bmAttributes: 1, wBytesPerInterval: 0x0c00 }),
  head(0, 1),
);

const CONFIGURATION = annotatedHex(`
  09 02 3100            bLength, bDescriptorType, wTotalLength
  02 07 05 c0 32        bNumInterfaces, value, string, attributes, power
  09 04 00 00 01        interface 0, alternate 0
  ff 02 03 04           class, subclass, protocol, string
  09 04 00 01 01        interface 0, alternate 1
  ff 02 03 04           class, subclass, protocol, string
  07 05 82 01 0014 04   endpoint
  06 30 02 01 000c      companion
  09 04 01 00 01        interface 1, alternate 0
  ff 02 03 04           class, subclass, protocol, string
`);

test("builds a configuration: total length, and interfaces counted without their alternates", () => {
  assert.deepEqual(configuration, CONFIGURATION);
});

test("an other-speed configuration differs in its type only", () => {
  const other = CONFIGURATION.slice();
  other[1] = 7;
  assert.deepEqual(otherSpeedConfiguration(configuration), other);
  assert.equal(configuration[1], 2);
});

test("builds a binary device object store", () => {
  const built = bosDescriptor(
    usb20Extension(0x01020304),
    superSpeedCapability({
      bmAttributes: 2,
      wSpeedsSupported: 0x000e,
      bFunctionalitySupport: 1,
      bU1DevExitLat: 10,
      wU2DevExitLat: 0x01f4,
    }),
  );
  const wire = annotatedHex(`
    05 0f 1600 02         bLength, bDescriptorType, wTotalLength, bNumDeviceCaps
    07 10 02 04030201     USB 2.0 extension, bmAttributes
    0a 10 03 02 0e00      SuperSpeed, bmAttributes, wSpeedsSupported
    01 0a f401            bFunctionalitySupport, exit latencies
  `);
  assert.deepEqual(built, wire);
});

test("a string is UTF-16LE with its length", () => {
  assert.deepEqual(stringDescriptor("aä€😀"), annotatedHex("0c 03 6100 e400 ac20 3dd8 00de"));
  assert.deepEqual(stringDescriptor(""), annotatedHex("02 03"));
  assert.equal(stringDescriptor("x".repeat(300)).length, 254);
});
