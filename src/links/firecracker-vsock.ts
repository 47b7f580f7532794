import { connect, type Socket } from "node:net";
import { type FirecrackerVsockAddress, printAddress, type UnixAddress } from "./address.ts";
import { untilConnected } from "./dialling.ts";
import { LineReader } from "./line-reader.ts";
import type { Link, LinkLimits } from "./link.ts";
import { LinkError } from "./link-error.ts";
import type { Accept, Listener } from "./listener.ts";
import { MovableLink } from "./movable-link.ts";
import { rewrap } from "./stream-handle.ts";
import { listenUnix, overlong } from "./unix.ts";

/** "OK " and a port of 32 bits, with room for those who write more. */
const ANSWER_BYTES = 32;
const ANSWER_SHOWN = 24;

/**
 * Listens where the virtual machine monitor connects when its guest dials the host at this port: a unix socket beside its
 * own (firecracker: docs/vsock.md).
 */
export async function listenFirecrackerVsock(
  address: FirecrackerVsockAddress,
  accept: Accept,
  limits: LinkLimits,
): Promise<Listener> {
  const { path, port } = address;
  const listener = await listenUnix({ kind: "unix", path: `${path}_${port}` }, accept, limits, {
    peer: printAddress(address),
  });
  return { address, close: () => listener.close() };
}

/** Connects to a port of the guest, through the unix socket of its monitor. */
export async function dialFirecrackerVsock(
  address: FirecrackerVsockAddress,
  limits: LinkLimits,
): Promise<Link> {
  const place: UnixAddress = { kind: "unix", path: address.path };
  const tooLong = overlong("dial", place);
  if (tooLong !== undefined) throw tooLong;
  const endMs = performance.now() + limits.dialMs;
  const answer = new LineReader(ANSWER_BYTES);
  let heard!: (line: string) => void;
  const line = new Promise<string>((resolve) => {
    heard = resolve;
  });
  // One byte at a time: those behind the line are the guest's, and for whoever reads the link.
  const onread = {
    buffer: Buffer.alloc(1),
    callback: (_length: number, byte: Uint8Array) => {
      const taken = answer.take(byte);
      if (taken === undefined) return true;
      heard(taken === "too long" ? answer.soFar : taken.line);
      return false;
    },
  };
  const socket = connect({ path: address.path, onread }).pause();
  await untilConnected(socket, address, limits.dialMs);
  socket.write(`CONNECT ${address.port}\n`);
  socket.resume();
  await untilOk(socket, address, line, answer, Math.max(1, endMs - performance.now()));
  return new MovableLink(printAddress(address), (reading) => rewrap(socket, reading));
}

/** Waits for the answer that the guest has taken the connection; otherwise destroys the socket. */
function untilOk(
  socket: Socket,
  address: FirecrackerVsockAddress,
  line: Promise<string>,
  answer: LineReader,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (failed?: LinkError): void => {
      clearTimeout(timer);
      socket.off("error", lost);
      socket.off("close", closed);
      if (failed === undefined) {
        resolve();
        return;
      }
      socket.on("error", () => {});
      socket.destroy();
      reject(failed);
    };
    const closed = (): void => settle(refused(address, answer.soFar));
    const lost = (): void => closed();
    socket.on("error", lost);
    socket.on("close", closed);
    const timer = setTimeout(() => settle(silent(address, timeoutMs)), timeoutMs);
    void line.then((text) => settle(isOk(text) ? undefined : stranger(address, text)));
  });
}

/** "OK PORT": the port is the monitor's own end of the connection. */
export function isOk(line: string): boolean {
  return /^OK \d{1,10}\r?$/.test(line);
}

function refused(address: FirecrackerVsockAddress, soFar: string): LinkError {
  if (soFar !== "") return stranger(address, soFar);
  return new LinkError(
    "ECONNREFUSED",
    `cannot reach ${printAddress(address)}: nothing listens at port ${address.port} of the guest behind it, or the guest ` +
      `does not run (ECONNREFUSED). Let the guest wait there: usbferry attach --listen vsock:${address.port}.`,
  );
}

function silent(address: FirecrackerVsockAddress, timeoutMs: number): LinkError {
  return new LinkError(
    "ETIMEDOUT",
    `cannot reach ${printAddress(address)}: its monitor did not answer CONNECT within ${Math.ceil(timeoutMs)} ms (ETIMEDOUT). ` +
      "Check that the path is the vsock socket of a virtual machine that runs.",
  );
}

function stranger(address: FirecrackerVsockAddress, answer: string): LinkError {
  const shown = JSON.stringify(answer.slice(0, ANSWER_SHOWN));
  return new LinkError(
    "BAD_ANSWER",
    `cannot reach ${printAddress(address)}: CONNECT was answered with ${shown}, not with OK. ` +
      "Check that the path is the vsock socket of Firecracker, Cloud Hypervisor or vhost-device-vsock.",
  );
}
