import type { OpenError, UsbDevice } from "../../src/usb/device.ts";
import type { ProtocolError } from "../../src/wire/protocol-error.ts";
import { AttachRefusal } from "../../src/wslusb/attach-answer.ts";
import { WslusbClient } from "../../src/wslusb/client.ts";
import type { WslusbDevice } from "../../src/wslusb/client-device.ts";
import { WslusbHost } from "../../src/wslusb/host.ts";
import { WSLUSB_LIMITS, type WslusbLimits } from "../../src/wslusb/limits.ts";
import type { ListedDevice } from "../../src/wslusb/listed-device.ts";
import type { EventKind } from "../../src/wslusb/messages.ts";
import type { AttachedHandle, Claim, DeviceEnd, OfferedDevice } from "../../src/wslusb/offered-device.ts";
import type { ManualLoop } from "./manual-loop.ts";
import { Pieces } from "./pieces.ts";

/** Both engines of WSL-USB without a socket between; the bytes arrive cut in changing ways. */
export class WslusbPair {
  readonly loop: ManualLoop;
  readonly host: WslusbHost;
  readonly client: WslusbClient;
  /** Whatever the host was told to offer. */
  readonly offered = new Map<string, OfferedDevice & { readonly device: UsbDevice; attached: boolean }>();
  readonly handles = new Map<string, AttachedHandle>();
  /** [bus id, end] of each device that the client had. */
  readonly ends: [string, DeviceEnd][] = [];
  readonly refused: [string, OpenError][] = [];
  readonly events: [EventKind, ListedDevice][] = [];
  /** Why a side ended the conversation. */
  readonly errors: ProtocolError[] = [];

  constructor(loop: ManualLoop, limits: WslusbLimits = WSLUSB_LIMITS) {
    this.loop = loop;
    const toClient = new Pieces(loop, (bytes) => this.client.receive(bytes));
    const toHost = new Pieces(loop, (bytes) => this.host.receive(bytes));
    const end = (error: ProtocolError): void => {
      this.errors.push(error);
    };
    this.host = new WslusbHost(
      { devices: () => this.offered.values(), claim: (busid) => this.#claim(busid) },
      loop,
      { write: (chunks, written) => toClient.write(chunks, written), end },
      limits,
    );
    this.client = new WslusbClient(
      loop,
      {
        write: (chunks, written) => toHost.write(chunks, written),
        end,
        takenBack: () => {},
        changed: (kind, device) => this.events.push([kind, device]),
      },
      limits,
    );
    this.client.greet(() => {});
    loop.settle();
  }

  offer(busid: string, device: UsbDevice, serial?: string): void {
    this.offered.set(busid, { busid, description: `test/${busid}`, serial, device, attached: false });
  }

  /** Attaches; throws if the host refuses. */
  attach(busid: string): WslusbDevice {
    const result = this.tryAttach(busid);
    if (result === undefined || result instanceof AttachRefusal)
      throw new Error(`refused: ${result?.message}`);
    return result;
  }

  tryAttach(busid: string): WslusbDevice | AttachRefusal | undefined {
    let result: WslusbDevice | AttachRefusal | undefined;
    this.client.attach(busid, (answer) => {
      result = answer;
    });
    this.loop.settle();
    return result;
  }

  /** The connection breaks. */
  cut(): void {
    this.client.disconnected();
    this.host.disconnected(() => {});
    this.loop.settle();
  }

  #claim(busid: string): Claim | OpenError {
    const offered = this.offered.get(busid);
    if (offered === undefined) return { reason: "gone", message: "no device has this bus id" };
    return {
      device: offered.device,
      configured: () => {},
      attached: (handle) => {
        offered.attached = true;
        this.handles.set(busid, handle);
        return undefined;
      },
      refused: (error) => this.refused.push([busid, error]),
      closed: (end) => {
        offered.attached = false;
        this.ends.push([busid, end]);
      },
    };
  }
}

/** A device exported and attached so. */
export function attachedOverMemory(device: UsbDevice, loop: ManualLoop): WslusbDevice {
  const pair = new WslusbPair(loop);
  pair.offer("1-2", device);
  return pair.attach("1-2");
}
