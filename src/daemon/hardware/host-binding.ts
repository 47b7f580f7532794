import { askDaemon, DaemonGone, type Question } from "../api/control-client.ts";
import type { ControlPlace } from "../api/control-place.ts";
import type { Binding, Bound, Unbound } from "./binding.ts";

/** The binds of a host that runs, by its control API. Every promise rejects as `askDaemon` does. */
export class HostBinding implements Binding {
  readonly #place: ControlPlace;

  constructor(place: ControlPlace) {
    this.#place = place;
  }

  bind(text: string, force: boolean): Promise<Bound> {
    return this.#ask({ method: "POST", path: "/v1/bind", body: { device: text, ...(force && { force }) } });
  }

  unbind(text: string): Promise<readonly Unbound[]> {
    return this.#unbind({ device: text });
  }

  unbindAll(): Promise<readonly Unbound[]> {
    return this.#unbind({});
  }

  async #unbind(body: object): Promise<readonly Unbound[]> {
    const { unbound } = await this.#ask<{ readonly unbound: readonly Unbound[] }>({
      method: "POST",
      path: "/v1/unbind",
      body,
    });
    return unbound;
  }

  async #ask<T>(question: Question): Promise<T> {
    const answer = await askDaemon<T>(this.#place, "serve", question);
    if (answer === undefined) throw new DaemonGone("the host has ended meanwhile. Try again.");
    return answer;
  }
}
