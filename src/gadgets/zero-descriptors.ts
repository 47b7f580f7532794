import {
  configurationDescriptor,
  endpointDescriptor,
  interfaceDescriptor,
  joinDescriptors,
  superSpeedCompanion,
} from "../usb/descriptor-build.ts";
import { Speed } from "../usb/speed.ts";
import { TransferType } from "../usb/urb.ts";
import { bulkPacketSize } from "./bulk-packet-size.ts";

/** bConfigurationValue of the two configurations, as in Linux' gadget zero. */
export const SOURCE_SINK = 3;
export const LOOPBACK = 2;

const VENDOR_SPECIFIC = 0xff;
/** Reserved bit 7 and self powered. */
const ATTRIBUTES = 0xc0;

/** The configurations of gadget zero. Source/sink is first: Linux chooses the first one. */
export function zeroConfigurations(speed: Speed): readonly Uint8Array[] {
  // 1 ms, which suits both usbtest (it expects about one interrupt a millisecond) and bus simulations.
  const millisecond = speed >= Speed.high ? 4 : 1;
  const bulk = pair(speed, 0x01, TransferType.bulk, 0);
  return [
    configurationDescriptor(
      { bConfigurationValue: SOURCE_SINK, iConfiguration: 0, bmAttributes: ATTRIBUTES, bMaxPower: 1 },
      setting(0, 2),
      bulk,
      setting(1, 4),
      bulk,
      pair(speed, 0x02, TransferType.isochronous, millisecond),
      setting(2, 4),
      bulk,
      pair(speed, 0x03, TransferType.interrupt, millisecond),
      setting(3, 4),
      bulk,
      // The most that a bus carries: three packets in every microframe.
      pair(speed, 0x02, TransferType.isochronous, 1, 3),
    ),
    configurationDescriptor(
      { bConfigurationValue: LOOPBACK, iConfiguration: 0, bmAttributes: ATTRIBUTES, bMaxPower: 1 },
      setting(0, 2),
      bulk,
    ),
  ];
}

function setting(bAlternateSetting: number, bNumEndpoints: number): Uint8Array {
  return interfaceDescriptor({
    bInterfaceNumber: 0,
    bAlternateSetting,
    bNumEndpoints,
    bInterfaceClass: VENDOR_SPECIFIC,
    bInterfaceSubClass: 0,
    bInterfaceProtocol: 0,
    iInterface: 0,
  });
}

/** The largest packets a speed allows (USB 2.0 §5.6.3, §5.7.3; USB 3.2 table 9-27). */
function maxPacketSize(speed: Speed, type: TransferType): number {
  switch (type) {
    case TransferType.isochronous:
      return speed >= Speed.high ? 1024 : 1023;
    case TransferType.interrupt:
      return speed >= Speed.high ? 1024 : 64;
    default:
      return bulkPacketSize(speed);
  }
}

/** An IN and an OUT endpoint of one number. Full speed has one packet in an interval whatever is asked for. */
function pair(
  speed: Speed,
  number: number,
  type: TransferType,
  bInterval: number,
  packetsPerInterval = 1,
): Uint8Array {
  const size = maxPacketSize(speed, type);
  const additional = packetsPerInterval - 1;
  const companion =
    speed >= Speed.super
      ? superSpeedCompanion({
          bMaxBurst: additional,
          bmAttributes: 0,
          wBytesPerInterval: type === TransferType.bulk ? 0 : size * packetsPerInterval,
        })
      : new Uint8Array(0);
  const one = (bEndpointAddress: number) =>
    endpointDescriptor({
      bEndpointAddress,
      bmAttributes: type,
      wMaxPacketSize: speed === Speed.high ? size | (additional << 11) : size,
      bInterval,
    });
  return joinDescriptors(one(0x80 | number), companion, one(number), companion);
}
