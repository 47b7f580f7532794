import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Speed } from "../usb/speed.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { AttachedFacts } from "./client-device.ts";
import { AttachedDevice, AttachResponse, isEnded } from "./messages.ts";
import { asciiOf } from "./offered-device.ts";
import { Status } from "./status.ts";

/** The host answered rightly, and does not give the device. */
export class AttachRefusal {
  /** `Status`, or a number that has no name. */
  readonly status: number;
  /** The host's words, in printable ASCII. */
  readonly message: string;

  constructor(status: number, message: string) {
    this.status = status;
    this.message = message;
  }
}

/** A device that was given, and its endpoints. */
export interface GivenDevice {
  readonly facts: AttachedFacts;
  readonly map: EndpointMap;
}

/** The answer to a DeviceAttach, which has the length of an AttachResponse at least. */
export function readAttachAnswer(
  busid: string,
  payload: Uint8Array,
): GivenDevice | AttachRefusal | ProtocolError {
  if (!isEnded(payload, AttachResponse.size)) {
    return new ProtocolError("BAD_FIELD", "the message of a DeviceAttach does not end with NUL");
  }
  const status = AttachResponse.status(payload, 0);
  if (status !== Status.OK) {
    return payload.length === AttachResponse.size
      ? new AttachRefusal(status, asciiOf(AttachResponse.message(payload, 0)))
      : new ProtocolError("BAD_LENGTH", `a refused attach has ${payload.length} bytes`);
  }
  const attached = AttachedDevice.decode(payload, AttachResponse.size);
  if (attached instanceof ProtocolError) return attached;
  const descriptors = payload.slice(AttachResponse.size + AttachedDevice.size);
  if (attached.descriptors_length !== descriptors.length) {
    return new ProtocolError(
      "BAD_LENGTH",
      `descriptors_length is ${attached.descriptors_length}, but ${descriptors.length} bytes are there`,
    );
  }
  const { device: handle, speed, current_configuration } = attached;
  if (speed < 1 || speed > 5) {
    return new ProtocolError("BAD_FIELD", `the host gives speed ${speed}, which no kernel takes`);
  }
  const facts: AttachedFacts = { handle, busid, speed: speed as Speed, descriptors };
  const map = EndpointMap.of(descriptors, facts.speed, current_configuration);
  return map instanceof ProtocolError ? map : { facts, map };
}
