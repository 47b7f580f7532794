import {
  configurationDescriptor,
  endpointDescriptor,
  interfaceDescriptor,
  superSpeedCompanion,
} from "../usb/descriptor-build.ts";
import { frameMs, Speed } from "../usb/speed.ts";
import { TransferType } from "../usb/urb.ts";
import { bulkPacketSize } from "./bulk-packet-size.ts";
import type { DeviceDefinition, Receives, Sends } from "./device-definition.ts";

/** The largest interrupt packets that every speed from full on allows. */
const INTERRUPT_PACKET = 64;
const LOW_SPEED_PACKET = 8;
const VENDOR_SPECIFIC = [0xff, 0, 0] as const;

/** One configuration with one interface. */
export function definedConfigurations(definition: DeviceDefinition, speed: Speed): readonly Uint8Array[] {
  const endpoints = definition.endpoints ?? [];
  const [bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol] =
    definition.interfaceClass ?? VENDOR_SPECIFIC;
  return [
    configurationDescriptor(
      { bConfigurationValue: 1, iConfiguration: 0, bmAttributes: 0xc0, bMaxPower: 1 },
      interfaceDescriptor({
        bInterfaceNumber: 0,
        bAlternateSetting: 0,
        bNumEndpoints: endpoints.length,
        bInterfaceClass,
        bInterfaceSubClass,
        bInterfaceProtocol,
        iInterface: 0,
      }),
      definition.classDescriptors ?? new Uint8Array(0),
      ...endpoints.flatMap((endpoint) => describe(endpoint, speed)),
    ),
  ];
}

export function addressOf(endpoint: Sends | Receives): number {
  return "send" in endpoint ? 0x80 | endpoint.endpoint : endpoint.endpoint;
}

function describe(endpoint: Sends | Receives, speed: Speed): Uint8Array[] {
  const isInterrupt = (endpoint.type ?? "bulk") === "interrupt";
  const interruptPacket = speed === Speed.low ? LOW_SPEED_PACKET : INTERRUPT_PACKET;
  const wMaxPacketSize = isInterrupt ? interruptPacket : bulkPacketSize(speed);
  const descriptor = endpointDescriptor({
    bEndpointAddress: addressOf(endpoint),
    bmAttributes: isInterrupt ? TransferType.interrupt : TransferType.bulk,
    wMaxPacketSize,
    bInterval: isInterrupt ? interval(endpoint.everyMs ?? 8, speed) : 0,
  });
  if (speed < Speed.super) return [descriptor];
  const wBytesPerInterval = isInterrupt ? wMaxPacketSize : 0;
  return [descriptor, superSpeedCompanion({ bMaxBurst: 0, bmAttributes: 0, wBytesPerInterval })];
}

/** bInterval: frames, from high speed on the exponent of microframes (USB 2.0 table 9-13). */
function interval(everyMs: number, speed: Speed): number {
  if (speed < Speed.high) return Math.max(1, Math.min(255, Math.floor(everyMs)));
  return Math.max(1, Math.min(16, 1 + Math.floor(Math.log2(everyMs / frameMs(speed)))));
}
