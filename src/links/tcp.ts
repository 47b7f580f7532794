import { type AddressInfo, connect, createServer, type OnReadOpts, type Socket } from "node:net";
import { setKeepAlive } from "../linux/keep-alive.ts";
import { printAddress, printHostPort, type TcpAddress, type TlsAddress } from "./address.ts";
import { untilConnected } from "./dialling.ts";
import type { Link, LinkLimits, LinkTraits } from "./link.ts";
import { type Accept, type Listener, untilListening } from "./listener.ts";
import { MovableLink } from "./movable-link.ts";
import { descriptorOf, rewrap } from "./stream-handle.ts";

const TRAITS: LinkTraits = { noticesSilence: true };

/** `handed`: a socket that listens there already, which is the listener's. */
export function listenTcp(
  address: TcpAddress,
  accept: Accept,
  limits: LinkLimits,
  handed?: number,
): Promise<Listener> {
  const arrived = (accepted: Socket): void => {
    const peer = `tcp:${printHostPort(accepted.remoteAddress ?? "unknown", accepted.remotePort ?? 0)}`;
    accept(new MovableLink(peer, (onread) => rewrap(accepted, onread), TRAITS));
  };
  return listenForTcp(address, limits, arrived, handed);
}

/** The same for whoever makes more than a link of a connection. */
export async function listenForTcp(
  address: TcpAddress | TlsAddress,
  limits: LinkLimits,
  arrived: (accepted: Socket) => void,
  handed?: number,
): Promise<Listener> {
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    prepare(accepted, limits.silenceMs);
    arrived(accepted);
  });
  const { host, port: asked } = address;
  await untilListening(server, handed === undefined ? { host, port: asked } : { fd: handed }, address);
  const { port } = server.address() as AddressInfo;
  return { address: { ...address, port }, close: () => void server.close() };
}

export async function dialTcp(address: TcpAddress, limits: LinkLimits): Promise<Link> {
  let socket!: Socket;
  const open = (onread: OnReadOpts): Socket => {
    socket = begin(address, onread);
    return socket;
  };
  const link = new MovableLink(printAddress(address), open, TRAITS);
  await untilConnected(socket, address, limits.dialMs);
  prepare(socket, limits.silenceMs);
  return link;
}

/** A connected socket, for whoever makes more than a link of it. */
export async function connectTcp(address: TlsAddress, limits: LinkLimits): Promise<Socket> {
  const socket = begin(address);
  await untilConnected(socket, address, limits.dialMs);
  prepare(socket, limits.silenceMs);
  return socket;
}

function begin({ host, port }: TcpAddress | TlsAddress, onread?: OnReadOpts): Socket {
  return connect({ host, port, ...(onread !== undefined && { onread }) }).pause();
}

/** Lets a connected socket notice within the limit that its peer is gone. */
function prepare(socket: Socket, silenceMs: number): void {
  socket.setNoDelay(true);
  // The kernel notices at the end of a probe, up to an interval late; it is told a second less.
  const userTimeoutMs = Math.max(1_000, silenceMs - 1_000);
  const idleSeconds = Math.max(1, Math.floor(userTimeoutMs / 2_000));
  const fd = descriptorOf(socket);
  const probes = Math.max(1, Math.ceil(userTimeoutMs / 1_000) - idleSeconds);
  const refused =
    fd === undefined || setKeepAlive(fd, { idleSeconds, intervalSeconds: 1, probes, userTimeoutMs });
  // Node's own keep-alive has fixed probes and does not cover unacknowledged data; it is what other platforms have.
  if (refused) socket.setKeepAlive(true, idleSeconds * 1_000);
}
