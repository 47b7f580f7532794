import { configurationDescriptor, interfaceDescriptor, joinDescriptors } from "../usb/descriptor-build.ts";
import { Speed } from "../usb/speed.ts";

export const PLAYBACK_INTERFACE = 1;
export const CAPTURE_INTERFACE = 2;
export const PLAYBACK_OUT = 0x01;
export const CAPTURE_IN = 0x82;

/** A frame of 16-bit stereo. */
export const FRAME_BYTES = 4;
const RATE = 48_000;
const FRAMES_PER_MS = RATE / 1000;
/** Capture may run half as fast again, to catch up with what a late host left behind. */
const CAPTURE_PACKET = 1.5 * FRAMES_PER_MS * FRAME_BYTES;
/** The host may send one frame more, as drivers do whose rate is not a whole number of frames. */
const PLAYBACK_PACKET = (FRAMES_PER_MS + 1) * FRAME_BYTES;

const AUDIO = 0x01;
const CS_INTERFACE = 0x24;
const CS_ENDPOINT = 0x25;

/** Terminals (USB Audio 1.0 §4.3.2): USB to speaker, microphone to USB. */
const FROM_USB = 1;
const SPEAKER = 2;
const MICROPHONE = 3;
const TO_USB = 4;

/** Terminal types (USB Audio Terminal Types 1.0). */
const USB_STREAMING = [0x01, 0x01];
const TYPE_SPEAKER = [0x01, 0x03];
const TYPE_MICROPHONE = [0x01, 0x02];
const LEFT_AND_RIGHT = [0x03, 0x00];

/**
 * USB Audio 1.0: playback and capture of 48 kHz, 16 bits, two channels. Playback adapts to the host's rate and
 * capture is synchronous to the bus, so neither needs a feedback endpoint (USB 2.0 §5.12.4.1).
 */
export function audioConfigurations(speed: Speed): readonly Uint8Array[] {
  return [
    configurationDescriptor(
      { bConfigurationValue: 1, iConfiguration: 0, bmAttributes: 0xc0, bMaxPower: 1 },
      ourInterface(0, 0, 0, 1), // audio control
      controlDescriptors(),
      ...streaming(PLAYBACK_INTERFACE, FROM_USB, PLAYBACK_OUT, 0x09, PLAYBACK_PACKET, speed),
      ...streaming(CAPTURE_INTERFACE, TO_USB, CAPTURE_IN, 0x0d, CAPTURE_PACKET, speed),
    ),
  ];
}

/** USB Audio 1.0 §4.3.2 */
function controlDescriptors(): Uint8Array {
  const terminals = joinDescriptors(
    inputTerminal(FROM_USB, USB_STREAMING),
    outputTerminal(SPEAKER, TYPE_SPEAKER, FROM_USB),
    inputTerminal(MICROPHONE, TYPE_MICROPHONE),
    outputTerminal(TO_USB, USB_STREAMING, MICROPHONE),
  );
  const length = 10 + terminals.length;
  const header = [10, CS_INTERFACE, 0x01, 0x00, 0x01, length, 0, 2, PLAYBACK_INTERFACE, CAPTURE_INTERFACE];
  return joinDescriptors(Uint8Array.from(header), terminals);
}

function inputTerminal(id: number, type: readonly number[]): Uint8Array {
  return Uint8Array.of(12, CS_INTERFACE, 0x02, id, ...type, 0, 2, ...LEFT_AND_RIGHT, 0, 0);
}

function outputTerminal(id: number, type: readonly number[], source: number): Uint8Array {
  return Uint8Array.of(9, CS_INTERFACE, 0x03, id, ...type, 0, source, 0);
}

/** A streaming interface: alternate setting 0 rests, 1 streams (USB Audio 1.0 §4.5, Formats 1.0 §2.2.5). */
function streaming(
  number: number,
  terminal: number,
  endpoint: number,
  bmAttributes: number,
  packet: number,
  speed: Speed,
): Uint8Array[] {
  return [
    ourInterface(number, 0, 0, 2),
    ourInterface(number, 1, 1, 2),
    Uint8Array.of(7, CS_INTERFACE, 0x01, terminal, 1, 0x01, 0x00), // one frame of delay, PCM
    Uint8Array.of(11, CS_INTERFACE, 0x02, 0x01, 2, 2, 16, 1, RATE & 0xff, (RATE >> 8) & 0xff, RATE >> 16),
    // 1 ms at both speeds. The two bytes behind bInterval are of USB Audio 1.0 (§4.6.1.1).
    Uint8Array.of(
      9,
      0x05,
      endpoint,
      bmAttributes,
      packet & 0xff,
      packet >> 8,
      speed >= Speed.high ? 4 : 1,
      0,
      0,
    ),
    Uint8Array.of(7, CS_ENDPOINT, 0x01, 0, 0, 0, 0),
  ];
}

function ourInterface(
  bInterfaceNumber: number,
  bAlternateSetting: number,
  bNumEndpoints: number,
  bInterfaceSubClass: number,
): Uint8Array {
  return interfaceDescriptor({
    bInterfaceNumber,
    bAlternateSetting,
    bNumEndpoints,
    bInterfaceClass: AUDIO,
    bInterfaceSubClass,
    bInterfaceProtocol: 0,
    iInterface: 0,
  });
}
