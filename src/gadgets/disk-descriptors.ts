import {
  configurationDescriptor,
  endpointDescriptor,
  interfaceDescriptor,
  superSpeedCompanion,
} from "../usb/descriptor-build.ts";
import { Speed } from "../usb/speed.ts";
import { TransferType } from "../usb/urb.ts";
import { bulkPacketSize } from "./bulk-packet-size.ts";

export const BULK_IN = 0x81;
export const BULK_OUT = 0x02;

/** Packets that may follow each other without a pause at super speed; the most there is. */
const BURST = 15;

/** One interface for SCSI commands in the Bulk-Only Transport (Bulk-Only 1.0 §4). */
export function diskConfigurations(speed: Speed): readonly Uint8Array[] {
  const companion = superSpeedCompanion({ bMaxBurst: BURST, bmAttributes: 0, wBytesPerInterval: 0 });
  const endpoint = (bEndpointAddress: number) => [
    endpointDescriptor({
      bEndpointAddress,
      bmAttributes: TransferType.bulk,
      wMaxPacketSize: bulkPacketSize(speed),
      bInterval: 0,
    }),
    ...(speed >= Speed.super ? [companion] : []),
  ];
  return [
    configurationDescriptor(
      { bConfigurationValue: 1, iConfiguration: 0, bmAttributes: 0xc0, bMaxPower: 1 },
      interfaceDescriptor({
        bInterfaceNumber: 0,
        bAlternateSetting: 0,
        bNumEndpoints: 2,
        bInterfaceClass: 0x08, // mass storage
        bInterfaceSubClass: 0x06, // SCSI transparent command set
        bInterfaceProtocol: 0x50, // bulk-only
        iInterface: 0,
      }),
      ...endpoint(BULK_IN),
      ...endpoint(BULK_OUT),
    ),
  ];
}
