import { printAddress } from "../links/address.ts";
import { askAgent } from "./agent-client.ts";
import { askDaemon, type Question } from "./api/control-client.ts";
import { agentSocket, type ControlPlace, readControlPlace, serveControl } from "./api/control-place.ts";
import type { AgentState } from "./api/documents/attachment.ts";
import type { Given } from "./api/documents/document.ts";
import type { Figures } from "./api/documents/figures.ts";
import type { HostState, Session } from "./api/documents/host.ts";
import { Failed, WrongUsage } from "./failure.ts";

/** What runs on this machine. */
export interface LocalState {
  readonly host?: Given<typeof HostState.static>;
  readonly agent?: Given<typeof AgentState.static>;
}

/** What devices carry, at the host and at the agent of this machine. */
export interface LocalFigures {
  readonly host?: Given<typeof Figures.static>;
  readonly agent?: Given<typeof Figures.static>;
}

/** Everything of the daemons that run here; rejects with Failed if none does. */
export function localState(control: string | undefined): Promise<LocalState> {
  return askBoth(control, "/v1/state");
}

/** Of the last second; rejects with Failed if no daemon runs here. */
export function localFigures(control: string | undefined): Promise<LocalFigures> {
  return askBoth(control, "/v1/figures");
}

async function askBoth(control: string | undefined, path: string): Promise<object> {
  const place = hostPlace(control);
  const question = { method: "GET", path } as const;
  const [host, agent] = await Promise.all([
    place === undefined ? undefined : askDaemon<object>(place, "serve", question),
    askAgent<object>(question),
  ]);
  if (host === undefined && agent === undefined) {
    throw new Failed(
      `neither a host (${named(place)}) nor an agent (unix:${agentSocket()}) runs here. Start a host with ` +
        "`usbferry serve --gadget zero`; an agent starts with `usbferry attach`.",
    );
  }
  return { ...(host !== undefined && { host }), ...(agent !== undefined && { agent }) };
}

/** Cuts a session of the host (`s1`), or the one behind a port of this kernel; tells what it was. */
export async function kick(
  target: string,
  control: string | undefined,
): Promise<{ readonly session: Given<typeof Session.static> } | { readonly port: number }> {
  if (/^s\d{1,15}$/.test(target)) {
    return { session: await askHost(control, { method: "DELETE", path: `/v1/sessions/${target}` }) };
  }
  if (!/^\d{1,5}$/.test(target)) {
    throw new WrongUsage(
      `"${target}" is neither a PORT, as \`usbferry ports\` lists it, nor a SESSION, as \`usbferry list\` does (s1).`,
    );
  }
  const port = Number(target);
  if ((await askAgent({ method: "POST", path: `/v1/ports/${port}/kick` })) !== undefined) return { port };
  throw new Failed(
    `no agent runs (unix:${agentSocket()}), so port ${port} is not its own. See who has it with \`usbferry ports\`; ` +
      "`usbferry detach PORT` takes it away.",
  );
}

/** Rejects with Failed if no host is controlled there. */
export async function requireHost(control: string): Promise<void> {
  await askHost(control, { method: "GET", path: "/v1/sessions" });
}

async function askHost<T>(control: string | undefined, question: Question): Promise<T> {
  const place = hostPlace(control);
  const answer = place === undefined ? undefined : await askDaemon<T>(place, "serve", question);
  if (answer !== undefined) return answer;
  throw new Failed(
    `no usbferry host runs here (${named(place)}). Start one with \`usbferry serve\`, or name a host: ` +
      "usbferry list tcp:127.0.0.1:3240",
  );
}

/** Where the host of this machine is controlled. Throws WrongUsage. */
export function hostPlace(control: string | undefined): ControlPlace | undefined {
  return control === undefined ? serveControl() : readControlPlace(control);
}

function named(place: ControlPlace | undefined): string {
  return place === undefined
    ? "its control socket is off or has no folder: name it with --control PATH"
    : printAddress(place);
}
