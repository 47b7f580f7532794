import type { GadgetIdentity } from "./identity.ts";

export type Awaitable<T> = T | Promise<T>;

interface EndpointShape {
  /** 1 to 15. */
  readonly endpoint: number;
  /** Default `bulk`; at low speed `interrupt` is all there is. */
  readonly type?: "bulk" | "interrupt";
  /** Interrupt only: how often the host asks, at least. Default 8. */
  readonly everyMs?: number;
}

/** From the device to the host. */
export interface Sends extends EndpointShape {
  /**
   * The next message. Called when the host reads, and again when it has all of the last message; a promise
   * lets it wait. It may well be dropped if the host stops reading meanwhile.
   */
  send(): Awaitable<Uint8Array>;
}

/** From the host to the device. */
export interface Receives extends EndpointShape {
  /** One transfer of the host. The next one waits until the promise is fulfilled. */
  receive(bytes: Uint8Array): Awaitable<void>;
}

/** A class or vendor request of the host to the default pipe (USB 2.0 §9.3). */
export interface ControlRequest {
  readonly bmRequestType: number;
  readonly bRequest: number;
  readonly wValue: number;
  readonly wIndex: number;
  readonly wLength: number;
  /** What the host sent along; empty where it asks for data. */
  readonly data: Uint8Array;
}

export interface DeviceDefinition extends GadgetIdentity {
  readonly product: string;
  readonly manufacturer?: string;
  /** bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol. Default: vendor specific. */
  readonly interfaceClass?: readonly [number, number, number];
  /** Descriptors of that class, placed behind the interface descriptor. */
  readonly classDescriptors?: Uint8Array;
  readonly endpoints?: readonly (Sends | Receives)[];
  /** Answers with the bytes that the host asks for, or with nothing if it sent some. Default: a stall. */
  control?(request: ControlRequest): Awaitable<Uint8Array | undefined>;
  /** What was thrown here, with where. Default: one line on standard error. The transfer is stalled. */
  onError?(line: string, error: unknown): void;
}
