import { X509Certificate } from "node:crypto";
import { printAddress } from "../links/address.ts";
import { fingerprintOf, nameIn } from "../links/certificate.ts";
import { dial } from "../links/dial.ts";
import type { Link } from "../links/link.ts";
import { type LinkAddress, listen } from "../links/listen.ts";
import type { Listener } from "../links/listener.ts";
import { Pairing, type PairingEnd, type PairingRole } from "../links/pairing.ts";
import type { PairedMachine } from "../links/trust.ts";
import { Failed, WrongUsage } from "./failure.ts";
import { dialPlace } from "./place.ts";
import { identityOf, renewIdentity } from "./state/identity.ts";
import { isMachineName, MACHINES, Machines, notAName } from "./state/machines.ts";
import { StateFolder } from "./state/state-folder.ts";

/** How long the other machine may take to show its certificate, once it is connected. */
const SHOW_MS = 10_000;
/** How long two people may take to compare digits. */
const COMPARE_MS = 180_000;
/** Half of a pairing, from others than the one that is meant: nothing was shown to them. */
const STRANGERS = 32;

/** What a person is asked. */
export interface PairingQuestion {
  readonly digits: string;
  /** What the other machine calls itself. */
  readonly name: string;
  /** SHA-256 of its certificate. */
  readonly fingerprint: string;
}

export interface PairRequest {
  /** To dial, or to listen at. */
  readonly address: string;
  readonly role: PairingRole;
  /** What the other machine is to be called here; without it as it calls itself. */
  readonly name?: string | undefined;
  readonly stateFolder?: string | undefined;
  /** It listens. */
  readonly listening: (address: string) => void;
  /** Answers whether the digits are the same there. */
  readonly compare: (question: PairingQuestion, signal: AbortSignal) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/**
 * Exchanges certificates with another machine and keeps its; resolves with how it is called. Nothing is kept unless both
 * people have confirmed. Rejects with WrongUsage, Failed or a LinkError.
 */
export async function pair(request: PairRequest): Promise<PairedMachine> {
  const place = dialPlace(request.address);
  if (place.kind === "tls") {
    throw new WrongUsage(
      `"${request.address}": tls: works once two machines are paired. Pair them over tcp:, for example ` +
        "usbferry pair --listen tcp:0.0.0.0:3244 there, usbferry pair tcp:HOST:3244 here.",
    );
  }
  if (request.name !== undefined && !isMachineName(request.name)) throw notAName(request.name);
  const folder = new StateFolder(request.stateFolder);
  const { certificate } = await identityOf(folder);
  const own = new X509Certificate(certificate).raw;
  const known = (await folder.read(MACHINES)).machines;
  const { machine, peer } =
    request.role === "dials"
      ? await dialled(place, own, known, request)
      : await awaited(place, own, known, request);
  const kept: PairedMachine = { ...machine, hosts: hostsOf(place, peer, request.role) };
  await changeMachines(folder, (machines) => machines.add(kept));
  return kept;
}

interface Paired {
  readonly machine: Omit<PairedMachine, "hosts">;
  readonly peer: string;
}

async function dialled(
  place: LinkAddress,
  own: Uint8Array,
  known: readonly PairedMachine[],
  request: PairRequest,
): Promise<Paired> {
  const link = await dial(place);
  return new PairingConversation(link, own, known, request).run();
}

/** Waits for the one that is meant; who shows nothing is a stranger, and others are waited for. */
async function awaited(
  place: LinkAddress,
  own: Uint8Array,
  known: readonly PairedMachine[],
  request: PairRequest,
): Promise<Paired> {
  let listener: Listener | undefined;
  const { signal } = request;
  try {
    return await new Promise((resolve, reject) => {
      let strangers = 0;
      let isBusy = false;
      const accept = async (link: Link): Promise<void> => {
        if (isBusy) {
          link.destroy();
          return;
        }
        isBusy = true;
        const conversation = new PairingConversation(link, own, known, request);
        try {
          resolve(await conversation.run());
        } catch (error) {
          isBusy = false;
          strangers++;
          // Whoever has seen the nonce of one attempt must not get another without a person noticing.
          if (conversation.hasShown || strangers >= STRANGERS) reject(error);
        }
      };
      signal.addEventListener("abort", () => reject(new Failed("the pairing was cancelled.")), {
        once: true,
      });
      listen(place, (link) => void accept(link)).then((opened) => {
        listener = opened;
        request.listening(printAddress(opened.address));
      }, reject);
    });
  } finally {
    listener?.close();
  }
}

/** One connection to a machine that is to be paired. */
class PairingConversation {
  readonly #link: Link;
  readonly #request: PairRequest;
  readonly #known: readonly PairedMachine[];
  readonly #pairing: Pairing;
  /** Ends the question that a person is asked. */
  readonly #over = new AbortController();
  #theirs: X509Certificate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #settle!: (result: Paired | Failed) => void;

  constructor(link: Link, own: Uint8Array, known: readonly PairedMachine[], request: PairRequest) {
    this.#link = link;
    this.#known = known;
    this.#request = request;
    this.#pairing = new Pairing(request.role, own, {
      write: (bytes) => link.write([bytes], () => {}),
      compare: (certificate, digits) => void this.#compare(certificate, digits),
      ended: (end) => this.#ended(end),
    });
  }

  get hasShown(): boolean {
    return this.#pairing.hasShown;
  }

  /** Rejects with Failed. */
  async run(): Promise<Paired> {
    const { signal } = this.#request;
    const cancel = (): void => this.#settle(this.#failed("it was cancelled"));
    const result = await new Promise<Paired | Failed>((resolve) => {
      this.#settle = resolve;
      this.#within(SHOW_MS, "the other side showed nothing");
      signal.addEventListener("abort", cancel, { once: true });
      this.#link.start(
        (bytes) => this.#pairing.receive(bytes),
        (cause) => this.#pairing.disconnected(cause?.message),
      );
      this.#pairing.start();
    });
    clearTimeout(this.#timer);
    this.#over.abort();
    signal.removeEventListener("abort", cancel);
    // Also what was written last: whether the person here has confirmed.
    this.#link.end();
    setTimeout(() => this.#link.destroy(), SHOW_MS).unref();
    if (result instanceof Failed) throw result;
    return result;
  }

  async #compare(certificate: X509Certificate, digits: string): Promise<void> {
    this.#theirs = certificate;
    this.#within(COMPARE_MS, "the digits were not confirmed on both machines");
    const fingerprint = fingerprintOf(certificate.raw);
    const name = nameIn(certificate) ?? "unnamed";
    const taken = this.#request.name ?? name;
    if (this.#known.some((other) => other.name === taken && other.fingerprint !== fingerprint)) {
      this.#giveUp(
        `another machine, or an earlier certificate, is known here as ${taken}: give this one another name with --name, ` +
          `or take that one away with \`usbferry pair remove ${taken}\``,
      );
      return;
    }
    try {
      const question = { digits, name, fingerprint };
      if (await this.#request.compare(question, this.#over.signal)) this.#pairing.confirm();
      else
        this.#giveUp("it was not confirmed here. If the digits differed, somebody is between the machines");
    } catch (error) {
      this.#giveUp((error as Error).message);
    }
  }

  #giveUp(reason: string): void {
    this.#pairing.reject();
    this.#settle(this.#failed(reason));
  }

  #ended(end: PairingEnd): void {
    switch (end.outcome) {
      case "paired": {
        const certificate = this.#theirs!;
        const name = this.#request.name ?? nameIn(certificate) ?? "unnamed";
        const machine = { name, fingerprint: fingerprintOf(certificate.raw) };
        this.#settle({ machine, peer: this.#link.peer });
        break;
      }
      case "rejected":
        this.#settle(
          this.#failed(
            "it was not confirmed there. If the digits differed, somebody is between the machines",
          ),
        );
        break;
      case "broken":
        this.#settle(this.#failed(end.reason));
        break;
    }
  }

  #within(timeoutMs: number, reason: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#settle(this.#failed(`${reason} within ${timeoutMs / 1_000} s`)),
      timeoutMs,
    );
  }

  #failed(reason: string): Failed {
    const why = reason.replace(/\.$/, "");
    return new Failed(
      `not paired with ${this.#link.peer}: ${why}. Nothing was kept; run it again on both machines.`,
    );
  }
}

/** Under which hosts the other machine may be dialled: where it was reached now. */
function hostsOf(place: LinkAddress, peer: string, role: PairingRole): readonly string[] {
  if (place.kind !== "tcp") return [];
  if (role === "dials") return [place.host];
  const seen = dialPlace(peer);
  return seen.kind === "tcp" ? [seen.host.replace(/^::ffff:(?=\d+\.)/i, "")] : [];
}

/** The machines that were paired, and this one. */
export async function pairedMachines(stateFolder: string | undefined): Promise<readonly PairedMachine[]> {
  return (await new StateFolder(stateFolder).read(MACHINES)).machines;
}

export async function unpair(name: string, stateFolder: string | undefined): Promise<void> {
  await changeMachines(new StateFolder(stateFolder), (machines) => machines.remove(name));
}

export async function expectAt(name: string, host: string, stateFolder: string | undefined): Promise<void> {
  await changeMachines(new StateFolder(stateFolder), (machines) => machines.addHost(name, host));
}

/** What this machine shows to others. */
export interface OwnCertificate {
  readonly name: string;
  readonly fingerprint: string;
  readonly validTo: string;
  readonly pem: string;
}

export async function ownCertificate(
  stateFolder: string | undefined,
  renew = false,
): Promise<OwnCertificate> {
  const folder = new StateFolder(stateFolder);
  const { certificate } = await (renew ? renewIdentity(folder) : identityOf(folder));
  const read = new X509Certificate(certificate);
  return {
    name: nameIn(read) ?? "unnamed",
    fingerprint: fingerprintOf(read.raw),
    validTo: read.validTo,
    pem: certificate,
  };
}

async function changeMachines(
  folder: StateFolder,
  work: (machines: Machines) => Promise<void>,
): Promise<void> {
  const { store, close } = await folder.open(MACHINES);
  try {
    await work(new Machines(store));
  } finally {
    await close();
  }
}
