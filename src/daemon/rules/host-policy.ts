import { askDaemon, DaemonGone, type Question } from "../api/control-client.ts";
import type { ControlPlace } from "../api/control-place.ts";
import type { ListedRule, Policy } from "./rule-book.ts";

/** The rules of a host that runs, by its control API. Every promise rejects as `askDaemon` does. */
export class HostPolicy implements Policy {
  /** Where the host keeps its rules. */
  readonly stateFolder: string;
  readonly #place: ControlPlace;

  private constructor(stateFolder: string, place: ControlPlace) {
    this.stateFolder = stateFolder;
    this.#place = place;
  }

  /** Nothing if no host is controlled there. */
  static async at(place: ControlPlace): Promise<HostPolicy | undefined> {
    const state = await askDaemon<{ readonly stateFolder: string }>(place, "serve", {
      method: "GET",
      path: "/v1/state",
    });
    return state === undefined ? undefined : new HostPolicy(state.stateFolder, place);
  }

  async list(): Promise<readonly ListedRule[]> {
    const { rules } = await this.#ask<{ readonly rules: readonly ListedRule[] }>({
      method: "GET",
      path: "/v1/rules",
    });
    return rules;
  }

  add(rule: string, position?: number): Promise<ListedRule> {
    const body = { rule, ...(position !== undefined && { position }) };
    return this.#ask({ method: "POST", path: "/v1/rules", body });
  }

  remove(id: string): Promise<ListedRule> {
    return this.#ask({ method: "DELETE", path: `/v1/rules/${encodeURIComponent(id)}` });
  }

  move(id: string, position: number): Promise<ListedRule> {
    const path = `/v1/rules/${encodeURIComponent(id)}/move`;
    return this.#ask({ method: "POST", path, body: { position } });
  }

  async #ask<T>(question: Question): Promise<T> {
    const answer = await askDaemon<T>(this.#place, "serve", question);
    if (answer === undefined) throw new DaemonGone("the host has ended meanwhile. Try again.");
    return answer;
  }
}
