import { closeSync } from "node:fs";
import { type OnReadOpts, Socket } from "node:net";
import { socketPair } from "../linux/socket-pair.ts";
import { SystemError } from "../linux/system-error.ts";

/**
 * The libuv handle under a `net.Socket`. Node has no public way to the descriptor, to the bytes that the
 * kernel has not taken, or to a read buffer of ours for an accepted socket; these members have kept their names since
 * Node 12. Every function here works without them, only less well.
 */
interface StreamHandle {
  readonly fd?: number;
  /** Bytes of the write in progress that the kernel has not taken. */
  readonly writeQueueSize?: number;
  /** Bytes ever handed to libuv, the write in progress included. */
  readonly bytesWritten?: number;
}

const HANDLE = "_handle";

interface HandleOwner {
  [HANDLE]: StreamHandle | null;
}

function handleOf(socket: Socket): StreamHandle | null {
  return (socket as unknown as HandleOwner)[HANDLE];
}

/** The descriptor of a socket; nothing on platforms without them. */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = handleOf(socket)?.fd;
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

/** Bytes ever written to a socket. */
export function writtenBytes(socket: Socket): number {
  return handleOf(socket)?.bytesWritten ?? 0;
}

/** Of the `given` bytes ever written to a socket, those that the kernel has not taken. */
export function unsentBytes(socket: Socket, given: number): number {
  const handle = handleOf(socket);
  if (handle === null) return 0;
  if (handle.writeQueueSize === undefined || handle.bytesWritten === undefined) return socket.writableLength;
  return given - handle.bytesWritten + handle.writeQueueSize;
}

/**
 * Moves an accepted, paused connection into a socket that reads into `onread.buffer`. `net.Server` cannot do
 * this itself: `onread` is an option of sockets that connect.
 */
export function rewrap(accepted: Socket, onread: OnReadOpts): Socket {
  const owner = accepted as unknown as HandleOwner;
  const handle = owner[HANDLE];
  if (handle === null) return accepted;
  owner[HANDLE] = null;
  // Counts it out of its server; the connection itself goes on in the new socket.
  accepted.destroy();
  const options = { handle, onread, pauseOnCreate: true };
  return new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
}

type HandleClass = new (type: number) => { open(fd: number): number | undefined };

let pipeClass: HandleClass | undefined;

/**
 * A paused socket over a connected stream of any family, which it owns from now on. `net.Socket` itself takes TCP and unix
 * descriptors alone; its handle for pipes takes every stream. It does not end by itself when its peer does.
 */
export function adopt(fd: number, onread: OnReadOpts): Socket {
  pipeClass ??= classOfPipes();
  const handle = new pipeClass(0);
  handle.open(fd);
  const options = {
    handle,
    onread,
    pauseOnCreate: true,
    readable: true,
    writable: true,
    allowHalfOpen: true,
  };
  return new Socket(options);
}

function classOfPipes(): HandleClass {
  const pair = socketPair();
  if (pair instanceof SystemError) throw pair;
  const [one, other] = pair;
  closeSync(other);
  const socket = new Socket({ fd: one });
  const handle = handleOf(socket)!;
  socket.destroy();
  return handle.constructor as HandleClass;
}
