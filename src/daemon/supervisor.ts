import { sendNotice } from "../linux/notice.ts";

/** Names of the environment, which are about this process alone and are not for those that it starts. */
const VARIABLES = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] as const;

/** What a service tells of itself (sd_notify(3)). */
type Notice = "READY=1" | "RELOADING=1" | "STOPPING=1" | "WATCHDOG=1";

/**
 * Who started this process as a service, as systemd does, and waits for its word. Without one all of this does
 * nothing. What cannot be told is not worth an end: the supervisor draws its own conclusion.
 */
export class Supervisor {
  readonly #socket: string | undefined;
  readonly #watchdogMs: number | undefined;
  #isWatched = false;

  private constructor(socket: string | undefined, watchdogMs: number | undefined) {
    this.#socket = socket;
    this.#watchdogMs = watchdogMs;
  }

  /** Reads the variables and removes them. */
  static take(environment: NodeJS.ProcessEnv): Supervisor {
    const { NOTIFY_SOCKET, WATCHDOG_USEC = "", WATCHDOG_PID = String(process.pid) } = environment;
    for (const name of VARIABLES) delete environment[name];
    const isWatched = WATCHDOG_PID === String(process.pid) && /^\d{4,15}$/.test(WATCHDOG_USEC);
    return new Supervisor(NOTIFY_SOCKET, isWatched ? Number(WATCHDOG_USEC) / 1_000 : undefined);
  }

  /** It does its work from now on; `status` is for people. The event loop shows that it lives. */
  ready(status: string): void {
    this.#tell("READY=1", status);
    if (this.#isWatched || this.#socket === undefined || this.#watchdogMs === undefined) return;
    this.#isWatched = true;
    setInterval(() => this.#tell("WATCHDOG=1"), this.#watchdogMs / 2).unref();
  }

  /** It reads its configuration again, and is ready behind that. */
  reloading(): void {
    this.#tell("RELOADING=1");
  }

  stopping(): void {
    this.#tell("STOPPING=1");
  }

  #tell(notice: Notice, status?: string): void {
    if (this.#socket === undefined) return;
    // A line each: a status of several would be several assignments.
    const words = status === undefined ? "" : `\nSTATUS=${status.replaceAll("\n", " ")}`;
    sendNotice(this.#socket, notice + words);
  }
}
