import { printAddress } from "../../links/address.ts";
import { LinkError } from "../../links/link-error.ts";
import { askDaemon } from "../api/control-client.ts";
import { agentSocket, type ControlPlace, runtimeFolder, serveControl } from "../api/control-place.ts";
import type { AgentState } from "../api/documents/attachment.ts";
import type { Given } from "../api/documents/document.ts";
import type { HostState } from "../api/documents/host.ts";
import { AccessDenied } from "../failure.ts";
import { VERSION } from "../version.ts";
import type { Check } from "./check.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

const ANSWER_MS = 3_000;
const STATE = { method: "GET", path: "/v1/state" } as const;

type State = Given<typeof HostState.static> | Given<typeof AgentState.static>;

interface Daemon {
  readonly name: "host" | "agent";
  readonly place: ControlPlace;
  readonly state: Promise<State | undefined>;
}

/** Where this user's daemons are controlled; a host may have no place. */
interface ControlPlaces {
  readonly host: ControlPlace | undefined;
  readonly agent: ControlPlace;
}

/** The usbferry programs of this machine, asked once however many checks want to know. */
export class Daemons {
  readonly #places: ControlPlaces;
  #asked: readonly Daemon[] | undefined;

  constructor(places = ownPlaces()) {
    this.#places = places;
  }

  /** What the host of this user tells; nothing where none does. */
  async host(): Promise<Given<typeof HostState.static> | undefined> {
    try {
      const state = await this.all().find(({ name }) => name === "host")?.state;
      return state !== undefined && "role" in state && state.role === "host" ? state : undefined;
    } catch {
      return undefined; // what is wrong with it is a finding of its own
    }
  }

  all(): readonly Daemon[] {
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  #ask(): readonly Daemon[] {
    const { host, agent } = this.#places;
    const daemons: Daemon[] = [{ name: "agent", place: agent, state: ask(agent, "agent") }];
    if (host !== undefined) daemons.unshift({ name: "host", place: host, state: ask(host, "serve") });
    // Each check that wants to know awaits them; until then a refusal is nobody's surprise.
    for (const { state } of daemons) state.catch(() => {});
    return daemons;
  }
}

function ownPlaces(): ControlPlaces {
  return { host: serveControl(), agent: { kind: "unix", path: agentSocket() } };
}

function ask(place: ControlPlace, role: "serve" | "agent"): Promise<State | undefined> {
  return askDaemon<State>(place, role, STATE, AbortSignal.timeout(ANSWER_MS));
}

/** Whether a host and an agent run here, answer, and are of this version. */
export class DaemonsCheck implements Check {
  readonly name = "usbferry programs";
  readonly #daemons: Daemons;
  readonly #hasFolder: boolean;

  /** `hasFolder`: this user has a place for control sockets. */
  constructor(daemons: Daemons, hasFolder = runtimeFolder() !== undefined) {
    this.#daemons = daemons;
    this.#hasFolder = hasFolder;
  }

  async run(): Promise<readonly Finding[]> {
    const findings: Finding[] = [];
    const running: string[] = [];
    for (const daemon of this.#daemons.all()) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- both were asked at once
        const state = await daemon.state;
        if (state === undefined) continue;
        running.push(`the ${daemon.name} (${state.pid})`);
        if (state.version !== VERSION) findings.push(otherVersion(daemon, state));
      } catch (error) {
        findings.push(failing(daemon, error as Error));
      }
    }
    if (!this.#hasFolder) findings.push(noRuntimeFolder());
    if (findings.length > 0) return findings;
    return [
      running.length === 0
        ? ok("NO_DAEMONS", "No host and no agent of usbferry runs here; an agent starts when one is needed.")
        : ok("DAEMONS_ANSWER", `Of usbferry ${running.join(" and ")} of version ${VERSION} run here.`),
    ];
  }
}

function otherVersion({ name, place }: Daemon, state: State): Finding {
  return problem("DAEMON_VERSION", {
    what: `The ${name} at ${printAddress(place)} is of version ${state.version}, this command of ${VERSION}.`,
    why: `usbferry was updated while the ${name} went on running.`,
    next: [
      name === "agent"
        ? "End it, and the next command starts a new one: sudo usbferry detach --all"
        : `Start the host again where it was started (its process is ${state.pid}).`,
    ],
  });
}

function failing({ name, place }: Daemon, error: Error): Finding {
  const where = printAddress(place);
  const isDenied =
    error instanceof AccessDenied ||
    (error instanceof LinkError && (error.code === "EACCES" || error.code === "EPERM"));
  if (isDenied) {
    return problem("CONTROL_NO_PERMISSION", {
      what: `This user may not ask the ${name} at ${where}.`,
      why: "Whoever may use its control socket may do what it may: the socket is its owner's and its group's.",
      next: [
        "Use sudo, or join the group of the socket.",
        "A host gives its socket to a group: usbferry serve --control-group GROUP",
      ],
    });
  }
  if (error instanceof LinkError && error.code === "ABORT_ERR") {
    return problem("DAEMON_SILENT", {
      what: `The ${name} at ${where} takes the connection and does not answer within ${ANSWER_MS / 1_000} s.`,
      why: "Its process is stopped or overloaded, or another program listens there.",
      next: ["See who it is: sudo ss -lxp | grep usbferry", "End it and start it again."],
    });
  }
  return problem("DAEMON_BROKEN", {
    what: `The ${name} at ${where} cannot be asked.`,
    why: error.message,
    next: ["End it and start it again; its log says more."],
  });
}

function noRuntimeFolder(): Finding {
  return note("RUNTIME_FOLDER_MISSING", {
    what: "XDG_RUNTIME_DIR is not set, so a host of this user has no control socket.",
    why: "It is set by a login with systemd or elogind, and not by su, cron, containers and bare ssh commands. Without it `usbferry list`, `state`, `kick` and `policy` do not find a host of this user.",
    next: [
      "Log in anew, or: export XDG_RUNTIME_DIR=/run/user/$(id -u)",
      "Or name a socket: usbferry serve --control /tmp/usbferry-$(id -u).sock, and USBFERRY_CONTROL with the same path",
    ],
  });
}
