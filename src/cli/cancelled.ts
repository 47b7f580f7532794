/** The user interrupted a command before it was done. */
export class Cancelled extends Error {}

/** Aborted by the first SIGINT or SIGTERM; a second one ends the process. */
export const interruption = new AbortController();

let hangup: (() => void) | undefined;

/** What SIGHUP asks for from now on, in place of an end. */
export function onHangup(callback: () => void): void {
  hangup = callback;
}

/** Tells whether somebody has taken it. */
export function hungUp(): boolean {
  hangup?.();
  return hangup !== undefined;
}

/** Resolves when the user interrupts. */
export function untilInterrupted(): Promise<void> {
  const { signal } = interruption;
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}

/** The outcome of `work`, or a rejection as Cancelled when the user does not wait for it. */
export async function unlessCancelled<T>(work: Promise<T>): Promise<T> {
  const cancelled = untilInterrupted().then((): never => {
    throw new Cancelled("cancelled");
  });
  return await Promise.race([work, cancelled]);
}
