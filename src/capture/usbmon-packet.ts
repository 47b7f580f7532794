import { statusOf } from "../usb/errno.ts";
import type { TransferStatus } from "../usb/urb.ts";
import { TransferType } from "../usb/urb.ts";
import { BlockHeader, EnhancedPacket, PACKET_AT } from "./pcapng.ts";
import { EventType, IsoDescriptor, SETUP_AT, transferTypeOf, UsbmonHeader } from "./usbmon.ts";

/** One event of usbmon, as a recording has it. Views keep the file. */
export interface UsbmonPacket {
  readonly interfaceId: number;
  readonly timeUs: number;
  /** `BUS.DEV` */
  readonly device: string;
  /** Of the URB, while it is in flight. */
  readonly id: string;
  readonly type: EventType;
  readonly transferType: TransferType;
  /** With the direction in bit 7. */
  readonly endpoint: number;
  readonly status: TransferStatus;
  /** Of a submission of a control transfer. */
  readonly setup: Uint8Array | undefined;
  readonly data: Uint8Array;
  /** Of an isochronous completion. */
  readonly packets: readonly Uint8Array[];
}

/** The event in an Enhanced Packet Block; nothing if it is none of a submission or completion, or is not whole. */
export function readPacket(block: Uint8Array): UsbmonPacket | undefined {
  if (block.length < PACKET_AT + 4) return undefined;
  const body = BlockHeader.size;
  const captured = EnhancedPacket.captured_packet_length(block, body);
  if (captured < UsbmonHeader.size || PACKET_AT + captured + 4 > block.length) return undefined;
  const packet = block.subarray(PACKET_AT, PACKET_AT + captured);
  const type = UsbmonHeader.type(packet, 0);
  const transferType = transferTypeOf(UsbmonHeader.xfer_type(packet, 0));
  const descriptors = UsbmonHeader.ndesc(packet, 0);
  const dataAt = UsbmonHeader.size + descriptors * IsoDescriptor.size;
  if (type !== EventType.submit && type !== EventType.complete) return undefined;
  if (transferType === undefined || dataAt > captured) return undefined;
  const data = packet.subarray(dataAt);
  const high = EnhancedPacket.timestamp_high(block, body);
  const hasSetup = transferType === TransferType.control && UsbmonHeader.flag_setup(packet, 0) === 0;
  return {
    interfaceId: EnhancedPacket.interface_id(block, body),
    timeUs: high * 2 ** 32 + EnhancedPacket.timestamp_low(block, body),
    device: `${UsbmonHeader.busnum(packet, 0)}.${UsbmonHeader.devnum(packet, 0)}`,
    id: `${UsbmonHeader.id_high(packet, 0)}:${UsbmonHeader.id_low(packet, 0)}`,
    type,
    transferType,
    endpoint: UsbmonHeader.epnum(packet, 0),
    status: statusOf(UsbmonHeader.status(packet, 0)),
    setup: hasSetup ? packet.subarray(SETUP_AT, SETUP_AT + 8) : undefined,
    data,
    packets: type === EventType.complete ? packetsOf(packet, descriptors, data) : [],
  };
}

function packetsOf(packet: Uint8Array, descriptors: number, data: Uint8Array): Uint8Array[] {
  return Array.from({ length: descriptors }, (_, i) => {
    const at = UsbmonHeader.size + i * IsoDescriptor.size;
    const offset = IsoDescriptor.iso_off(packet, at);
    return data.subarray(offset, offset + IsoDescriptor.iso_len(packet, at));
  });
}
