import type { GadgetSpecification } from "../gadgets/catalog.ts";
import { type Endpoint, printAddress } from "../links/address.ts";
import type { HandedSockets } from "../links/handed-sockets.ts";
import type { LinkAddress } from "../links/listen.ts";
import type { ConfigurationFile } from "./configuration/configuration.ts";
import { AccessDenied, Failed, failureKind } from "./failure.ts";
import { readGadget } from "./gadget-rack.ts";
import { readHardwareChoice } from "./hardware/hardware-choice.ts";
import type { NamedDevice } from "./hardware/hardware-rack.ts";
import type { UsbBackendName } from "./hardware/usb-backend.ts";
import { HOST_LIMITS } from "./host-limits.ts";
import type { LogLevels } from "./log-levels.ts";
import { dialPlace, type ListenPlace, listenPlace } from "./place.ts";
import type { RingThreadChoice } from "./ring/ring-thread.ts";
import type { LinkKind } from "./rules/facts.ts";
import { printRule, type Rule } from "./rules/rule.ts";

/** What a host is to share, and where: the texts of the command line, which win over the configuration. */
export interface ServeRequest {
  readonly listen?: readonly string[] | undefined;
  /** Sockets that listen already. Where nothing is said of listening, the host listens there. */
  readonly handed?: HandedSockets | undefined;
  /** Waiting guests to dial. */
  readonly connect?: readonly string[] | undefined;
  readonly gadgets?: readonly string[] | undefined;
  /** Devices of this machine. */
  readonly devices?: readonly string[] | undefined;
  /** Which thread carries gadgets that need no event loop. Default: a worker where that is possible. */
  readonly dataPlane?: "worker" | "main" | undefined;
  /** By what real devices are known and used. Default: what belongs to this kind of system. */
  readonly usbBackend?: UsbBackendName | undefined;
  /** A configuration to read, and to read again when told to. */
  readonly config?: string | undefined;
  readonly stateFolder?: string | undefined;
  /** A file for the lives of the last URBs. */
  readonly trace?: string | undefined;
  /** Where the control API is served; nothing: at the place of this user, if there is one. */
  readonly control?: readonly string[] | undefined;
  /** Where the dashboard is served; nothing: nowhere. */
  readonly dashboard?: string | undefined;
  /** Who may use its unix sockets beside this user. */
  readonly controlGroup?: string | undefined;
  readonly log?: LogLevels | undefined;
  /** How long stopping waits for peers to close. */
  readonly drainMs?: number | undefined;
  readonly ring?: RingThreadChoice | undefined;
}

/** What a host shares, and where, read and found right. */
export interface ServePlan {
  readonly listen: ReadonlyMap<string, ListenPlace>;
  readonly connect: ReadonlyMap<string, LinkAddress>;
  readonly gadgets: readonly PlannedGadget[];
  readonly devices: readonly NamedDevice[];
  readonly rules: readonly Rule[];
  readonly log: LogLevels;
  readonly drainMs: number;
}

export interface PlannedGadget {
  /** As it was written; the same text is the same gadget. */
  readonly text: string;
  readonly specification: GadgetSpecification;
}

/** Of a host that has not begun. */
export const NO_PLAN: ServePlan = {
  listen: new Map(),
  connect: new Map(),
  gadgets: [],
  devices: [],
  rules: [],
  log: {},
  drainMs: HOST_LIMITS.drainMs,
};

const DEFAULT_LISTEN = "tcp:127.0.0.1:3240";

/** Whether somebody from elsewhere could be allowed something over such a link, with these rules of a configuration. */
export type AdmitsWith = (link: LinkKind, rules: readonly Rule[]) => boolean;

/** Throws WrongUsage, AccessDenied or Failed, with file and line for what stands in the configuration. */
export function planServe(
  request: ServeRequest,
  file: ConfigurationFile | undefined,
  nicknames: ReadonlyMap<string, string>,
  admits: AdmitsWith,
): ServePlan {
  const { configuration } = file ?? {};
  const rules = configuration?.rules ?? [];

  function each<T>(
    key: "listen" | "connect" | "gadgets" | "devices",
    read: (text: string) => T,
  ): readonly T[] {
    const asked = request[key];
    if (asked !== undefined) return asked.map(read);
    return (configuration?.[key] ?? []).map((text, i) => {
      try {
        return read(text);
      } catch (error) {
        throw withPlace(error, (reason) => file!.complaint(key, i, reason));
      }
    });
  }

  const admitsNow = (link: LinkKind): boolean => admits(link, rules);
  const connect = byAddress<LinkAddress>(each("connect", dialPlace));
  const listenThere = (text: string): ListenPlace => listenPlace(text, "host", admitsNow);
  const isSilent = request.listen === undefined && configuration?.listen === undefined;
  const handed = request.handed?.addresses ?? [];
  const unsaid = handed.length > 0 || connect.size > 0 ? handed : [DEFAULT_LISTEN];
  const listen = isSilent ? unsaid.map(listenThere) : each("listen", listenThere);
  return {
    listen: byAddress<ListenPlace>(listen),
    connect,
    gadgets: each("gadgets", (text) => ({ text, specification: readGadget(text) })),
    devices: each("devices", (text) => ({ text, choice: readHardwareChoice(nicknames.get(text) ?? text) })),
    rules,
    log: { ...configuration?.log, ...request.log },
    drainMs: request.drainMs ?? (configuration?.drain ?? HOST_LIMITS.drainMs / 1_000) * 1_000,
  };
}

function byAddress<A extends Endpoint>(addresses: readonly A[]): ReadonlyMap<string, A> {
  return new Map(addresses.map((address) => [printAddress(address), address]));
}

function withPlace(error: unknown, place: (reason: string) => string): unknown {
  const kind = failureKind(error);
  if (kind === "defect") return error;
  const message = place((error as Error).message);
  return kind === "access denied" ? new AccessDenied(message) : new Failed(message);
}

const DIFFERENCES: readonly (readonly [words: string, of: (plan: ServePlan) => unknown])[] = [
  ["listens elsewhere", ({ listen }) => Array.from(listen.keys())],
  ["dials others", ({ connect }) => Array.from(connect.keys())],
  ["shares other devices", ({ devices }) => devices.map(({ text }) => text)],
  ["has other rules", ({ rules }) => rules.map(printRule)],
  ["logs at other levels", ({ log }) => log],
  ["drains for another time", ({ drainMs }) => drainMs],
];

/** What is different but gadgets, in words. */
export function differences(before: ServePlan, after: ServePlan): readonly string[] {
  return DIFFERENCES.filter(([, of]) => JSON.stringify(of(before)) !== JSON.stringify(of(after))).map(
    ([words]) => words,
  );
}
