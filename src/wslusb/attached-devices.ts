import type { OpenError, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Urb } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Channel } from "./channel.ts";
import { HostDevice, type HostDeviceOutput } from "./host-device.ts";
import { MAX_DESCRIPTORS } from "./limits.ts";
import { AttachedDevice, AttachResponse, DetachNotice, MessageType, ResetResponse } from "./messages.ts";
import { asciiOf, type Claim, type DeviceEnd, type Offers } from "./offered-device.ts";
import { Status } from "./status.ts";

interface Attached {
  readonly device: HostDevice;
  readonly claim: Claim;
}

/** The devices that a client has: from its DeviceAttach until each is free again. */
export class AttachedDevices {
  readonly #offers: Offers;
  readonly #channel: Channel;
  readonly #output: HostDeviceOutput;
  /** By handle; a handle is never given twice. */
  readonly #attached = new Map<number, Attached>();
  #lastHandle = 0;
  /** Devices that were asked to open or to close, and have not answered. */
  #busy = 0;
  #whenIdle: (() => void) | undefined;
  /** Bytes of frames for each device that the client has room for. */
  credit = 0;

  constructor(offers: Offers, channel: Channel, output: HostDeviceOutput) {
    this.#offers = offers;
    this.#channel = channel;
    this.#output = output;
  }

  /** The client has none, and waits for none. */
  get isEmpty(): boolean {
    return this.#attached.size === 0 && this.#busy === 0;
  }

  /** Nothing for a device that the client had once: it may not have heard of the end yet. */
  find(handle: number): HostDevice | undefined | ProtocolError {
    if (handle === 0 || handle > this.#lastHandle) {
      return new ProtocolError("BAD_DEVICE", `device ${handle} was never attached`);
    }
    return this.#attached.get(handle)?.device;
  }

  granted(handle: number, bytes: number): ProtocolError | undefined {
    const device = this.find(handle);
    if (device instanceof ProtocolError || device === undefined) return device;
    const { lanes } = device;
    if (lanes.credit.bytes + bytes > this.credit) {
      return new ProtocolError("BAD_FIELD", `${bytes} bytes of credit are more than were used up`);
    }
    this.#channel.outbox.grant(lanes, bytes);
    return undefined;
  }

  attach(sequence: number, busid: string): undefined {
    const { limits, loop } = this.#output;
    if (this.#attached.size + this.#busy >= limits.devices) {
      this.#refuse(sequence, Status.TOO_MANY, `${limits.devices} devices are attached over this connection`);
      return;
    }
    const claim = this.#offers.claim(busid);
    if ("reason" in claim) {
      this.#refuseOpen(sequence, claim);
      return;
    }
    let device: HostDevice | undefined;
    const host: UsbHost = {
      complete: (urb: Urb) => device!.complete(urb),
      // Without it the device is already on its way back.
      unplugged: () => device?.unplugged(),
    };
    this.#busy++;
    claim.device.open(host, loop, (refused) => {
      this.#busy--;
      if (refused === undefined) device = this.#opened(sequence, claim);
      else this.#notOpened(sequence, claim, refused);
      this.#checkIdle();
      this.#output.sendSoon();
    });
  }

  detach(sequence: number, handle: number): ProtocolError | undefined {
    const device = this.find(handle);
    if (device instanceof ProtocolError) return device;
    const answer = (status: number): void =>
      this.#channel.say(MessageType.DeviceDetach, sequence, DetachNotice.encode({ device: handle, status }));
    if (device === undefined) {
      answer(Status.DISCONNECTED);
    } else {
      this.#close(this.#attached.get(handle)!, "detached", () => {
        answer(Status.OK);
        this.#output.sendSoon();
      });
    }
    return undefined;
  }

  reset(sequence: number, handle: number): ProtocolError | undefined {
    const device = this.find(handle);
    if (device instanceof ProtocolError) return device;
    const answer = (status: number): void =>
      this.#channel.say(MessageType.DeviceReset, sequence, ResetResponse.encode({ device: handle, status }));
    if (device === undefined) {
      answer(Status.DISCONNECTED);
      return undefined;
    }
    device.reset((status) => {
      answer(status);
      this.#output.sendSoon();
    });
    return undefined;
  }

  /** The host wants it back, or it is gone. */
  takeBack({ handle }: HostDevice, status: number, end: DeviceEnd): void {
    const attached = this.#attached.get(handle);
    if (attached === undefined) return;
    this.#close(attached, end);
    this.#channel.say(MessageType.DeviceDetach, 0, DetachNotice.encode({ device: handle, status }));
    this.#output.sendSoon();
  }

  /** The client has set another configuration, or reset the device. */
  configured({ handle }: HostDevice): void {
    this.#attached.get(handle)?.claim.configured();
  }

  /** The connection is over: gives all back. */
  closeAll(): void {
    for (const attached of this.#attached.values()) this.#close(attached, "disconnected");
  }

  /** Calls back when all are free. */
  whenIdle(idle: () => void): void {
    this.#whenIdle = idle;
    this.#checkIdle();
  }

  forgetMemory(): void {
    for (const { device } of this.#attached.values()) device.forgetMemory();
  }

  #opened(sequence: number, claim: Claim): HostDevice | undefined {
    const { descriptors, speed, configuration } = claim.device;
    const map = EndpointMap.of(descriptors, speed, configuration);
    if (this.#channel.phase === "over") {
      this.#giveBack(claim, { reason: "gone", message: "the connection was lost while it was opened" });
      return undefined;
    }
    if (map instanceof ProtocolError || descriptors.length > MAX_DESCRIPTORS) {
      const error: OpenError = { reason: "failed", message: "unusable descriptors" };
      // The refusal waits for the end of `close`: the client may ask for the device again at once.
      this.#giveBack(claim, error, () => this.#refuseOpen(sequence, error));
      return undefined;
    }
    const handle = ++this.#lastHandle;
    const device = new HostDevice(handle, claim.device, map, this.credit, this.#output);
    this.#attached.set(handle, { device, claim });
    device.trace = claim.attached({
      counters: device.counters,
      takeBack: () => this.takeBack(device, Status.DENIED, "taken back"),
    });
    this.#channel.say(
      MessageType.DeviceAttach,
      sequence,
      AttachResponse.encode({ status: Status.OK, message: "" }),
      AttachedDevice.encode({
        device: handle,
        speed,
        current_configuration: configuration,
        reserved: 0,
        descriptors_length: descriptors.length,
      }),
      descriptors,
    );
    return device;
  }

  #notOpened(sequence: number, claim: Claim, refused: OpenError): void {
    claim.refused(refused);
    this.#refuseOpen(sequence, refused);
  }

  /** Closes a device that nobody gets. */
  #giveBack(claim: Claim, error: OpenError, then: () => void = () => {}): void {
    this.#busy++;
    claim.device.close(() => {
      this.#busy--;
      claim.refused(error);
      then();
      this.#checkIdle();
      this.#output.sendSoon();
    });
  }

  #refuseOpen(sequence: number, { reason, message }: OpenError): void {
    this.#refuse(sequence, REFUSALS[reason], message);
  }

  #refuse(sequence: number, status: number, message: string): void {
    this.#channel.say(
      MessageType.DeviceAttach,
      sequence,
      AttachResponse.encode({ status, message: asciiOf(message) }),
    );
  }

  /** Nothing of the device is sent from here on. */
  #close({ device, claim }: Attached, end: DeviceEnd, then: () => void = () => {}): void {
    this.#attached.delete(device.handle);
    this.#output.touched.delete(device);
    device.stop();
    this.#busy++;
    device.device.close(() => {
      this.#busy--;
      claim.closed(end);
      then();
      this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (this.#busy > 0 || this.#whenIdle === undefined) return;
    const closed = this.#whenIdle;
    this.#whenIdle = undefined;
    closed();
  }
}

const REFUSALS: Readonly<Record<OpenError["reason"], number>> = {
  busy: Status.BUSY,
  gone: Status.NOT_FOUND,
  denied: Status.DENIED,
  failed: Status.FAILED,
};
