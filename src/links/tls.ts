import { isIP, type Socket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket, connect as tlsConnect } from "node:tls";
import { printAddress, printHostPort, type TlsAddress } from "./address.ts";
import { judgeCertificate } from "./certificate.ts";
import {
  certificateRefused,
  refusedByPeer,
  type Side,
  tlsFailed,
  trustUnreadable,
} from "./certificate-error.ts";
import { LineReader } from "./line-reader.ts";
import type { Link, LinkLimits } from "./link.ts";
import { LinkError } from "./link-error.ts";
import type { Accept, Listener } from "./listener.ts";
import { connectTcp, listenForTcp } from "./tcp.ts";
import { TlsLink } from "./tls-link.ts";
import type { PairedMachine, TlsTrust, TurnedAway } from "./trust.ts";
import { parseVerdict, printVerdict, VERDICT_BYTES, VERDICT_PROTOCOL, type Verdict } from "./verdict.ts";

/** Connections that have not proved yet whose they are; further ones are cut. */
const HANDSHAKES = 128;

/** How long somebody who was refused has to read why. */
const GOODBYE_MS = 1_000;

/** Every certificate is taken at first, so that it can be said which one is refused, and why. */
const MUTUAL = { requestCert: true, rejectUnauthorized: false } as const;

/** As it stands in the message (RFC 7301 §3.1). */
const PROTOCOL_LIST = Uint8Array.of(VERDICT_PROTOCOL.length, ...Buffer.from(VERDICT_PROTOCOL));

/** Listens for paired machines alone. `handed`: a socket that listens there already. */
export async function listenTls(
  address: TlsAddress,
  accept: Accept,
  limits: LinkLimits,
  trust: TlsTrust,
  turnedAway: TurnedAway,
  handed?: number,
): Promise<Listener> {
  const secureContext = await contextOf(trust);
  const strangers = new Set<Socket>();
  let isClosed = false;
  const welcome = async (accepted: Socket, peer: string): Promise<void> => {
    const options = { ...MUTUAL, isServer: true, secureContext, ALPNProtocols: PROTOCOL_LIST };
    const socket = new TLSSocket(accepted, options);
    const { name } = await agree(socket, "secure", "listened", peer, trust, limits.dialMs);
    if (isClosed) socket.destroy();
    else accept(new TlsLink(peer, name, socket));
  };
  const arrived = (accepted: Socket): void => {
    if (strangers.size >= HANDSHAKES) {
      accepted.destroy();
      return;
    }
    strangers.add(accepted);
    const peer = `tls:${printHostPort(accepted.remoteAddress ?? "unknown", accepted.remotePort ?? 0)}`;
    welcome(accepted, peer)
      .catch((error: unknown) => {
        if (!(error instanceof LinkError)) throw error;
        if (!isClosed) turnedAway(error);
      })
      .finally(() => strangers.delete(accepted));
  };
  const listener = await listenForTcp(address, limits, arrived, handed);
  return {
    address: listener.address,
    close: () => {
      isClosed = true;
      listener.close();
      for (const stranger of strangers) stranger.destroy();
    },
  };
}

/** Connects to the paired machine that is expected at this host. */
export async function dialTls(address: TlsAddress, limits: LinkLimits, trust: TlsTrust): Promise<Link> {
  const secureContext = await contextOf(trust);
  const connected = await connectTcp(address, limits);
  const { host } = address;
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const ALPNProtocols = [VERDICT_PROTOCOL];
  const socket = tlsConnect({ ...MUTUAL, ...servername, ALPNProtocols, socket: connected, secureContext });
  const peer = printAddress(address);
  const { name } = await agree(socket, "secureConnect", "dialled", peer, trust, limits.dialMs, host);
  return new TlsLink(peer, name, socket);
}

async function contextOf(trust: TlsTrust): Promise<SecureContext> {
  const { key, certificate } = await trust.identity();
  return createSecureContext({ key, cert: certificate, minVersion: "TLSv1.3" });
}

/** Resolves with whose connection it is when both sides have said that they trust the other; otherwise it is destroyed. */
async function agree(
  socket: TLSSocket,
  event: "secure" | "secureConnect",
  side: Side,
  peer: string,
  trust: TlsTrust,
  timeoutMs: number,
  host?: string,
): Promise<PairedMachine> {
  const conversation = new Conversation(socket, side, peer, timeoutMs);
  try {
    await conversation.until(event);
    const certificate = socket.getPeerX509Certificate();
    const judged = judgeCertificate(certificate, await machinesOf(trust, side, peer), new Date(), host);
    const isOurs = socket.alpnProtocol === VERDICT_PROTOCOL;
    if ("refusal" in judged) {
      socket.end(printVerdict(judged.refusal));
      throw certificateRefused(side, peer, judged, certificate, host);
    }
    if (!isOurs) return judged;
    socket.write(printVerdict("OK"));
    const verdict = await conversation.verdict();
    if (verdict !== "OK") throw refusedByPeer(side, peer, verdict);
    return judged;
  } catch (error) {
    // The last line still leaves.
    if (socket.writableEnded) setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    else socket.destroy();
    throw error;
  } finally {
    conversation.over();
  }
}

/** What cannot be read trusts nobody. */
async function machinesOf(trust: TlsTrust, side: Side, peer: string): Promise<readonly PairedMachine[]> {
  try {
    return await trust.machines();
  } catch (error) {
    throw trustUnreadable(side, peer, error as Error);
  }
}

/** What is waited for on a connection before anybody is trusted. */
class Conversation {
  readonly #socket: TLSSocket;
  readonly #failure: Promise<never>;
  readonly #timer: NodeJS.Timeout;
  readonly #side: Side;
  readonly #peer: string;

  constructor(socket: TLSSocket, side: Side, peer: string, timeoutMs: number) {
    this.#socket = socket;
    this.#side = side;
    this.#peer = peer;
    let fail!: (error: LinkError) => void;
    this.#failure = new Promise((_, reject) => {
      fail = reject;
    });
    this.#failure.catch(() => {});
    // It stays for what happens while the connection goes away.
    socket.on("error", (error: Error) => fail(tlsFailed(side, peer, reasonOf(error), error)));
    socket.on("close", () => fail(tlsFailed(side, peer, "it closed the connection")));
    this.#timer = setTimeout(
      () => fail(tlsFailed(side, peer, `no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
  }

  over(): void {
    clearTimeout(this.#timer);
  }

  until(event: "secure" | "secureConnect"): Promise<void> {
    return Promise.race([
      this.#failure,
      new Promise<void>((resolve) => this.#socket.once(event, () => resolve())),
    ]);
  }

  /** The peer's, read without a byte of what follows it. */
  async verdict(): Promise<Verdict> {
    const reader = new LineReader(VERDICT_BYTES);
    const socket = this.#socket;
    const line = new Promise<string>((resolve, reject) => {
      const look = (bytes: Buffer): void => {
        const taken = reader.take(bytes);
        if (taken === undefined) return;
        socket.pause();
        socket.off("data", look);
        if (taken === "too long") {
          reject(tlsFailed(this.#side, this.#peer, "it speaks another protocol inside"));
          return;
        }
        const rest = bytes.subarray(taken.used);
        if (rest.length > 0) socket.unshift(rest);
        resolve(taken.line);
      };
      socket.on("data", look);
      socket.on("end", () => reject(tlsFailed(this.#side, this.#peer, "it closed the connection")));
      socket.resume();
    });
    line.catch(() => {});
    const verdict = parseVerdict(await Promise.race([this.#failure, line]));
    if (verdict === undefined) throw tlsFailed(this.#side, this.#peer, "it speaks another protocol inside");
    return verdict;
  }
}

/** OpenSSL's own words, without the place in its sources. */
function reasonOf(error: Error): string {
  const { reason, code } = error as Error & { readonly reason?: string; readonly code?: string };
  return reason ?? code ?? error.message;
}
