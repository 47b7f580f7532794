import {
  Breaker,
  CancelAck,
  DeviceAck,
  DeviceAdded,
  DeviceRemoved,
  DeviceRequest,
  Heartbeat,
  IsoComplete,
  IsoSubmit,
  MessageType,
  Negotiate,
  NegotiateResponse,
  Shutdown,
  StatsResponse,
  StreamPart,
  UrbComplete,
  UrbSubmit,
} from "./messages.ts";

export const SHUTDOWN_ACK_SIZE = 16;

/** No message of this type is sent. */
export const NEVER = -1;
const TYPES = 512;

function sizesOf(sizes: readonly (readonly [type: number, size: number])[]): Int16Array {
  const table = new Int16Array(TYPES).fill(NEVER);
  for (const [type, size] of sizes) table[type] = size;
  return table;
}

/** What the other side may send, and when. */
export interface Incoming {
  readonly who: string;
  /** What it begins with. */
  readonly greeting: string;
  /** By type: bytes of the body of each message, without what follows it; `NEVER` if it is not sent. */
  readonly sizes: Int16Array;
  /** What it may send before both sides have greeted each other. */
  readonly early: ReadonlySet<number>;
}

export const FROM_HOST: Incoming = {
  who: "a host",
  greeting: "NEGOTIATE_RESP",
  sizes: sizesOf([
    [MessageType.NEGOTIATE_RESP, NegotiateResponse.size],
    [MessageType.DEVICE_ADDED, DeviceAdded.size],
    [MessageType.DEVICE_REMOVED, DeviceRemoved.size],
    [MessageType.DEVICE_RESET_ACK, DeviceAck.size],
    [MessageType.HEARTBEAT, Heartbeat.size],
    [MessageType.HOST_SHUTDOWN, Shutdown.size],
    [MessageType.SHUTDOWN_ACK, SHUTDOWN_ACK_SIZE],
    [MessageType.URB_COMPLETE, UrbComplete.size],
    [MessageType.URB_CANCEL_ACK, CancelAck.size],
    [MessageType.ISO_COMPLETE, IsoComplete.size],
    [MessageType.CIRCUIT_BREAKER_TRIP, Breaker.size],
    [MessageType.CIRCUIT_BREAKER_RESET, Breaker.size],
    [MessageType.STATS_RESPONSE, StatsResponse.size],
    [MessageType.STREAM, StreamPart.size],
  ]),
  // A host that gives up, or that lives, may say so before it has answered.
  early: new Set<number>([MessageType.NEGOTIATE_RESP, MessageType.HOST_SHUTDOWN, MessageType.HEARTBEAT]),
};

export const FROM_GUEST: Incoming = {
  who: "a guest",
  greeting: "NEGOTIATE",
  sizes: sizesOf([
    [MessageType.NEGOTIATE, Negotiate.size],
    [MessageType.DEVICE_ADD_ACK, DeviceAck.size],
    [MessageType.DEVICE_REMOVE_ACK, DeviceAck.size],
    [MessageType.DEVICE_RESET, DeviceRequest.size],
    [MessageType.DEVICE_RELEASE, DeviceRequest.size],
    [MessageType.HEARTBEAT, Heartbeat.size],
    [MessageType.GUEST_SHUTDOWN, Shutdown.size],
    [MessageType.SHUTDOWN_ACK, SHUTDOWN_ACK_SIZE],
    [MessageType.URB_SUBMIT, UrbSubmit.size],
    [MessageType.URB_CANCEL, DeviceRequest.size],
    [MessageType.ISO_SUBMIT, IsoSubmit.size],
    [MessageType.STATS_REQUEST, DeviceRequest.size],
    [MessageType.STREAM, StreamPart.size],
  ]),
  early: new Set<number>([MessageType.NEGOTIATE]),
};
