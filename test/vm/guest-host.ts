import type { Guest, GuestProcess, ProgramResult } from "./guest.ts";

const STATE = "/tmp/usbferry-state";
const ADDRESS = "tcp:127.0.0.1:3240";
/** Loading it takes long under emulation. */
const START_MS = 60_000;
const CALL_MS = 60_000;

/** What `usbferry list` shows in a guest. */
export interface Listed {
  /** State and drivers by bus id, as the control API names them. */
  readonly devices: Readonly<Record<string, string>>;
  readonly absent: readonly string[];
}

/** `usbferry serve` in a guest: a host of the devices that are plugged into it. */
export class GuestHost {
  readonly address = ADDRESS;
  readonly #guest: Guest;
  readonly #process: GuestProcess;
  readonly log: string[];
  readonly pid: number;
  #isEnded = false;

  private constructor(guest: Guest, process: GuestProcess, log: string[], pid: number) {
    this.#guest = guest;
    this.#process = process;
    this.log = log;
    this.pid = pid;
  }

  static async start(guest: Guest, ...args: readonly string[]): Promise<GuestHost> {
    const log: string[] = [];
    const argv = ["/node/bin/node", "/repo/dist/src/cli/main.js", "serve", "--state-dir", STATE, ...args];
    const script = `echo $$; exec ${argv.join(" ")}`;
    const process = await guest.spawn(["sh", "-c", script], (line) => void log.push(line));
    await guest.waitFor("usbferry serve", () => log.some((line) => line.startsWith("Sharing")), START_MS);
    return new GuestHost(guest, process, log, Number(log[0]));
  }

  /** Does nothing where it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#process.kill(signal);
    await this.#process.exit;
  }

  list(): Promise<Listed> {
    return listed(this.#guest);
  }

  /** Waits until a device has this state, with these drivers. */
  async until(busid: string, state: string): Promise<void> {
    await untilListed(this.#guest, busid, state);
  }
}

/** By the host, or without one. */
export async function listed(guest: Guest): Promise<Listed> {
  return (await guest.call("test/vm/guest/hardware-calls.js", "listed", [STATE], CALL_MS)) as Listed;
}

export async function untilListed(guest: Guest, busid: string, state: string): Promise<void> {
  let last: Listed | undefined;
  await guest
    .waitFor(`${busid} is ${state}`, async () => {
      last = await listed(guest);
      return last.devices[busid] === state;
    })
    .catch((error: unknown) => {
      throw new Error(`listed: ${JSON.stringify(last)}`, { cause: error });
    });
}

export async function bind(guest: Guest, device: string, force = false): Promise<void> {
  await guest.call("test/vm/guest/hardware-calls.js", "bind", [STATE, device, force], CALL_MS);
}

export async function unbindAll(guest: Guest): Promise<void> {
  await guest.call("test/vm/guest/hardware-calls.js", "unbind", [STATE, null], CALL_MS);
}

export async function unbind(guest: Guest, device: string): Promise<void> {
  await guest.call("test/vm/guest/hardware-calls.js", "unbind", [STATE, device], CALL_MS);
}

/** The command itself, with the state of the guest's host. */
export function command(guest: Guest, ...args: readonly string[]): Promise<ProgramResult> {
  const argv = ["/node/bin/node", "/repo/dist/src/cli/main.js", ...args, "--state-dir", STATE];
  return guest.run(argv, { timeoutMs: CALL_MS });
}

/** What has an interface of a device: the name of its driver, or nothing. */
export async function driverOf(guest: Guest, busid: string, number = 0): Promise<string> {
  const link = `/sys/bus/usb/devices/${busid}/${busid}:1.${number}/driver`;
  return (await guest.shell(`basename "$(readlink ${link})"`)).trim();
}
