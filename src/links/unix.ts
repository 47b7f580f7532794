import { closeSync, constants, existsSync, lstatSync, openSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../linux/file-lock.ts";
import { printAddress, type UnixAddress } from "./address.ts";
import { untilConnected } from "./dialling.ts";
import { LINK_LIMITS, type Link, type LinkLimits } from "./link.ts";
import { type LinkAction, LinkError, linkError } from "./link-error.ts";
import { type Accept, type Listener, untilListening } from "./listener.ts";
import { MovableLink } from "./movable-link.ts";
import { rewrap } from "./stream-handle.ts";

/** Takes from 0777 what leaves 0660, owner and group: everybody else would have all devices. */
const SOCKET_UMASK = 0o117;

/** sun_path has 108 bytes with the final zero (unix(7)); Node would cut a longer path silently. */
const MAX_PATH_BYTES = 107;

/** Another process holds the lock for some milliseconds. */
const LOCK_MS = 2_000;
const LOCK_LOOK_MS = 10;

export interface UnixListening {
  /** What the links that arrive are called. */
  readonly peer?: string;
  /** A socket that listens there already. Its file is whoever's who made it. */
  readonly fd?: number | undefined;
}

export async function listenUnix(
  address: UnixAddress,
  accept: Accept,
  limits: LinkLimits,
  { peer = printAddress(address), fd }: UnixListening = {},
): Promise<Listener> {
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    accept(new MovableLink(peer, (onread) => rewrap(accepted, onread)));
  });
  if (fd === undefined) await bindUnix(server, address, limits);
  else await untilListening(server, { fd }, address);
  return { address, close: () => void server.close() };
}

/**
 * Lets a server of any kind listen. The file appears with mode 0660, replaces that of a dead process, and goes away
 * with the server. Rejects with a LinkError.
 */
export async function bindUnix(
  server: Server,
  address: UnixAddress,
  limits: LinkLimits = LINK_LIMITS,
): Promise<void> {
  const tooLong = overlong("listen", address);
  if (tooLong !== undefined) throw tooLong;
  const unlock = await lockFolder(dirname(address.path));
  try {
    await untilBound(server, address);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    // libuv reports a directory that is missing as EACCES.
    if (error.code === "EACCES" && !existsSync(dirname(address.path))) {
      throw failure("listen", address, "ENOENT");
    }
    if (error.code !== "EADDRINUSE") throw error;
    await removeStale(address, limits);
    await untilBound(server, address);
  } finally {
    unlock();
  }
}

/**
 * Of several processes that find the socket of a dead one, none may remove what another has put in its place: they
 * look one after the other. A folder that cannot be locked, or that somebody keeps locked, is used without.
 */
async function lockFolder(path: string): Promise<() => void> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return () => {};
  }
  const endMs = performance.now() + LOCK_MS;
  while (lockFile(fd, "exclusive")?.code === "EAGAIN" && performance.now() < endMs) {
    // oxlint-disable-next-line no-await-in-loop -- the lock can only be asked for again
    await sleep(LOCK_LOOK_MS);
  }
  return () => closeSync(fd);
}

/** `listen` binds before it returns, so the file is never there with another mode. */
function untilBound(server: Server, address: UnixAddress): Promise<void> {
  const umask = process.umask(SOCKET_UMASK);
  try {
    return untilListening(server, { path: address.path }, address);
  } finally {
    process.umask(umask);
  }
}

/** `peer` is what the link is called. */
export async function dialUnix(
  address: UnixAddress,
  limits: LinkLimits,
  peer = printAddress(address),
): Promise<Link> {
  const tooLong = overlong("dial", address);
  if (tooLong !== undefined) throw tooLong;
  let socket!: Socket;
  const link = new MovableLink(peer, (onread) => {
    socket = connect({ path: address.path, onread }).pause();
    return socket;
  });
  await untilConnected(socket, address, limits.dialMs);
  return link;
}

export function overlong(action: LinkAction, address: UnixAddress): LinkError | undefined {
  return Buffer.byteLength(address.path) > MAX_PATH_BYTES
    ? failure(action, address, "ENAMETOOLONG")
    : undefined;
}

/** Removes a socket that refuses connections, because no process has it open; throws if one has. */
async function removeStale(address: UnixAddress, limits: LinkLimits): Promise<void> {
  if (!lstatSync(address.path).isSocket()) throw failure("listen", address, "EEXIST");
  try {
    const link = await dialUnix(address, limits);
    link.destroy();
  } catch (error) {
    if (error instanceof LinkError && error.code === "ECONNREFUSED") {
      unlink(address);
      return;
    }
  }
  throw failure("listen", address, "EADDRINUSE");
}

function unlink(address: UnixAddress): void {
  try {
    unlinkSync(address.path);
  } catch (error) {
    throw linkError("listen", printAddress(address), error as Error);
  }
}

/** A failure that we found ourselves, in the words of the operating system. */
function failure(action: LinkAction, address: UnixAddress, code: string): LinkError {
  return linkError(action, printAddress(address), Object.assign(new Error(code), { code }));
}
