import type { AgentState } from "../../src/daemon/agent-state.ts";
import type { AttachedDevice } from "../../src/daemon/attach.ts";
import type { AutoAnswer } from "../../src/daemon/auto/auto-attach.ts";
import type { Ports } from "../../src/daemon/ports.ts";
import { type Attachment, type AttachWay, detachAll } from "./attachment.ts";
import type { Guest } from "./guest.ts";

/** The command, without source maps: loading is what takes time in the guest. */
export const USBFERRY = ["/node/bin/node", "/repo/dist/src/cli/main.js"];

/** An agent that starts loads its control API: ten seconds under emulation, more where others are at work. */
const COMMAND_MS = 180_000;

/** The command itself, in the guest. What it printed; rejects if it failed. */
export async function outputOf(guest: Guest, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await guest.run([...USBFERRY, ...args], { timeoutMs: COMMAND_MS });
  if (code !== 0) throw new Error(`usbferry ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** `usbferry attach` with these arguments, and what the guest's kernel says of the device. */
export async function attachByCommand(guest: Guest, ...args: readonly string[]): Promise<Attachment> {
  const printed = await outputOf(guest, "attach", ...args);
  const [, busid, node, sysfsName] = /^(\S+) is (\S+) \((\S+)\) on port \d+\.\n$/.exec(printed) ?? [];
  if (busid === undefined || node === undefined || sysfsName === undefined)
    throw new Error(`printed: ${printed}`);
  return seen(guest, busid, sysfsName, node);
}

/** What the guest's kernel says of a device. */
export async function seen(
  guest: Guest,
  busid: string,
  sysfsName: string,
  node: string,
): Promise<Attachment> {
  const speed = (await guest.shell(`test -c ${node} && cat /sys/bus/usb/devices/${sysfsName}/speed`)).trim();
  return { busid, sysfsName, node, speed };
}

/** The same without starting a node for it: what `usbferry attach` calls, called in the guest's test agent. */
export async function attachByCall(guest: Guest, address: string, busid: string): Promise<AttachedDevice> {
  const args = [[...USBFERRY, "agent"], address, busid];
  return (await guest.call(
    "test/vm/guest/own-attach.js",
    "attachGuarded",
    args,
    COMMAND_MS,
  )) as AttachedDevice;
}

/** `usbferry attach --direct`, called likewise. */
export async function attachDirectByCall(
  guest: Guest,
  address: string,
  device: string,
): Promise<AttachedDevice> {
  const args = [address, device];
  return (await guest.call("test/vm/guest/own-attach.js", "attachDirect", args)) as AttachedDevice;
}

/** `usbferry attach --listen`, called likewise. */
export async function waitByCall(guest: Guest, address: string, device?: string): Promise<AttachedDevice> {
  const args = [[...USBFERRY, "agent"], address, device ?? null];
  return (await guest.call(
    "test/vm/guest/own-attach.js",
    "attachWaiting",
    args,
    COMMAND_MS,
  )) as AttachedDevice;
}

/** `usbferry attach --auto`, called likewise: `named` are the faces of one device. */
export async function keepByCall(
  guest: Guest,
  address: string,
  named: readonly string[],
  hook: string,
): Promise<AutoAnswer> {
  const args = [[...USBFERRY, "agent"], address, named, hook];
  return (await guest.call("test/vm/guest/own-attach.js", "keep", args, COMMAND_MS)) as AutoAnswer;
}

/** `usbferry agent` as a service manager starts it. */
export async function startAgent(guest: Guest): Promise<void> {
  await guest.shell(
    `mkdir -p /run/usbferry; ${USBFERRY.join(" ")} agent >/dev/null 2>>/run/usbferry/agent.log </dev/null &`,
  );
  await guest.waitFor("the agent", async () => (await agentState(guest)) !== undefined, COMMAND_MS);
}

/** Has an agent run before somebody asks for it, who would wait for one minute only. */
export async function readyAgent(guest: Guest): Promise<void> {
  if ((await agentState(guest)) === undefined) await startAgent(guest);
}

export async function agentState(guest: Guest): Promise<AgentState | undefined> {
  return ((await guest.call("test/vm/guest/own-attach.js", "agentState", [])) ?? undefined) as
    | AgentState
    | undefined;
}

export async function detachByCall(guest: Guest, port: number): Promise<void> {
  await guest.call("src/daemon/ports.js", "detachPort", [port]);
}

export async function portsByCall(guest: Guest): Promise<Ports> {
  return (await guest.call("src/daemon/ports.js", "attachedPorts", [])) as Ports;
}

/** Behind the guard of the agent. */
export const GUARDED = throughAgent(", guarded", "");

/** Without the guard. */
export const DIRECT: AttachWay = {
  words: ", direct",
  async attach(guest, port, busids) {
    const attachments: Attachment[] = [];
    for (const busid of busids) {
      const address = `tcp:${guest.hostAddress}:${port}`;
      const { sysfsName, node } = await attachDirectByCall(guest, address, busid);
      attachments.push(await seen(guest, busid, sysfsName, node));
    }
    return attachments;
  },
  detachAll,
};

/** Guarded, over WSL-USB: all devices of a host over one connection. */
export const SHARED = throughAgent(", over WSL-USB", "wslusb+");

function throughAgent(words: string, protocol: string): AttachWay {
  return {
    words,
    async attach(guest, port, busids) {
      const attachments: Attachment[] = [];
      for (const busid of busids) {
        const { sysfsName, node } = await attachByCall(
          guest,
          `${protocol}tcp:${guest.hostAddress}:${port}`,
          busid,
        );
        attachments.push(await seen(guest, busid, sysfsName, node));
      }
      return attachments;
    },
    async detachAll(guest) {
      await guest.call("src/daemon/ports.js", "detachAll", []);
    },
  };
}

/** What the agent has logged: its last `count` session ends. */
export async function sessionEnds(guest: Guest, count: number): Promise<{ code: string; busid: string }[]> {
  const log = (await guest.readFile("/run/usbferry/agent.log")).toString();
  return log
    .split("\n")
    .filter((line) => line.includes('"durationMs"'))
    .slice(-count)
    .map((line) => JSON.parse(line) as { code: string; busid: string });
}

/** Leaves the guest without an agent. */
export async function endAgent(guest: Guest, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  await guest.call("test/vm/guest/own-attach.js", "endAgent", [signal]);
}
