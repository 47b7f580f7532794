import { descriptorSlices, parseDescriptors } from "../usb/descriptor-walk.ts";
import { DescriptorType } from "../usb/descriptors.ts";
import type { UsbDevice } from "../usb/device.ts";
import { Setup, StandardRequest } from "../usb/setup.ts";
import { createUrb, TransferType, type Urb } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { enhancedPacket, LARGEST_PACKET } from "./pcapng.ts";
import { type BusPlace, UrbPacket } from "./urb-packet.ts";
import { EventType } from "./usbmon.ts";

const COMMENT = "usbferry: known before the recording began, not traffic";

/** Of URBs that nobody has submitted. */
const ID = 0;

/**
 * The descriptors of a device as the requests that would have read them: a recording of a device that was configured long
 * ago can be understood, and replayed. Every packet says that it is no traffic.
 */
export function knownExchange(
  device: Pick<UsbDevice, "descriptors">,
  place: BusPlace,
  timeUs: number,
): Uint8Array[] {
  const { descriptors } = device;
  const parsed = parseDescriptors(descriptors);
  if (parsed instanceof ProtocolError) return [];
  const [first] = descriptorSlices(descriptors);
  const packet = new UrbPacket(place, LARGEST_PACKET);
  const answers = [first!, ...parsed.configurations.map(({ bytes }) => bytes)];
  return answers.flatMap((bytes, index) => {
    const type = index === 0 ? DescriptorType.DEVICE : DescriptorType.CONFIGURATION;
    const urb = request(type, Math.max(index - 1, 0), bytes);
    return [EventType.submit, EventType.complete].map((event) => {
      packet.measure(urb, event);
      const content = new Uint8Array(packet.captured);
      packet.write(urb, new DataView(content.buffer), content, 0, timeUs, ID);
      return enhancedPacket(timeUs, content, COMMENT);
    });
  });
}

/** GET_DESCRIPTOR, answered. */
function request(type: number, index: number, answer: Uint8Array): Urb {
  const urb = createUrb(index);
  urb.endpoint = 0x80;
  urb.type = TransferType.control;
  Setup.encodeInto(
    {
      bmRequestType: 0x80,
      bRequest: StandardRequest.GET_DESCRIPTOR,
      wValue: (type << 8) | index,
      wIndex: 0,
      wLength: answer.length,
    },
    urb.setup,
    0,
  );
  urb.buffer = answer;
  urb.length = answer.length;
  urb.actualLength = answer.length;
  return urb;
}
