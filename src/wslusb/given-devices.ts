import { ProtocolError } from "../wire/protocol-error.ts";
import type { GivenDevice } from "./attach-answer.ts";
import { type ClientDeviceOutput, WslusbDevice } from "./client-device.ts";
import { DetachNotice } from "./messages.ts";

/** The devices that a host has given, by handle, until either side ends it. */
export class GivenDevices {
  readonly #output: ClientDeviceOutput;
  readonly #takenBack: (device: WslusbDevice, status: number) => void;
  readonly #devices = new Map<number, WslusbDevice>();
  #lastHandle = 0;
  /** Bytes of frames for each device that the host has room for. */
  credit = 0;

  constructor(output: ClientDeviceOutput, takenBack: (device: WslusbDevice, status: number) => void) {
    this.#output = output;
    this.#takenBack = takenBack;
  }

  get size(): number {
    return this.#devices.size;
  }

  add({ facts, map }: GivenDevice): WslusbDevice | ProtocolError {
    const { handle } = facts;
    if (handle <= this.#lastHandle) return new ProtocolError("BAD_DEVICE", `device ${handle} is given again`);
    this.#lastHandle = handle;
    const device = new WslusbDevice(facts, map, this.credit, this.#output);
    this.#devices.set(handle, device);
    return device;
  }

  remove({ handle }: WslusbDevice): void {
    this.#devices.delete(handle);
  }

  /** A DeviceDetach of the host. */
  takenBack(payload: Uint8Array): ProtocolError | undefined {
    const device = this.#find(DetachNotice.device(payload, 0));
    if (device instanceof ProtocolError || device === undefined) return device;
    this.#devices.delete(device.handle);
    this.#takenBack(device, DetachNotice.status(payload, 0));
    device.gone();
    return undefined;
  }

  granted(handle: number, bytes: number): ProtocolError | undefined {
    const device = this.#find(handle);
    if (device instanceof ProtocolError || device === undefined) return device;
    const { lanes } = device;
    if (lanes.credit.bytes + bytes > this.credit) {
      return new ProtocolError("BAD_FIELD", `${bytes} bytes of credit are more than were used up`);
    }
    this.#output.outbox.grant(lanes, bytes);
    return undefined;
  }

  /** The connection is gone. */
  end(): void {
    for (const device of Array.from(this.#devices.values())) device.gone();
    this.#devices.clear();
  }

  /** Nothing for a device that has ended: the host may not have known. */
  #find(handle: number): WslusbDevice | undefined | ProtocolError {
    if (handle === 0 || handle > this.#lastHandle) {
      return new ProtocolError("BAD_DEVICE", `device ${handle} was never attached`);
    }
    return this.#devices.get(handle);
  }
}
