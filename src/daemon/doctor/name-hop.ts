import { lookup } from "node:dns/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isOfNetwork } from "./address-hop.ts";
import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";
import type { SystemRoot } from "./system-root.ts";

const ANSWER_MS = 3_000;
/** Of a name with many addresses the first ones are tried. */
const ADDRESSES = 4;

/** Whether the name of the host is known, and by which addresses. */
export class NameHop implements Check {
  readonly name = "name";
  readonly #journey: Journey;
  readonly #root: SystemRoot;

  constructor(journey: Journey, root: SystemRoot) {
    this.#journey = journey;
    this.#root = root;
  }

  async run(): Promise<readonly Finding[]> {
    const { address, hosts } = this.#journey;
    if (address === undefined || !isOfNetwork(address) || hosts.length > 0) return [];
    const { host } = address;
    const waiting = new AbortController();
    try {
      const found = await Promise.race([
        lookup(host, { all: true }),
        sleep(ANSWER_MS, undefined, { signal: waiting.signal }),
      ]);
      if (found === undefined) return [this.#silent(host, `no answer within ${ANSWER_MS / 1_000} s`)];
      const numeric = Array.from(new Set(found.map((one) => one.address)));
      this.#journey.hosts = numeric.slice(0, ADDRESSES);
      if (address.kind === "tcp") {
        this.#journey.places = this.#journey.hosts.map((one) => ({ ...address, host: one }));
      }
      return [ok("NAME_KNOWN", `${host} is ${numeric.join(", ")}.`)];
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      return [code === "EAI_AGAIN" ? this.#silent(host, code) : unknown(host, code)];
    } finally {
      waiting.abort();
    }
  }

  #silent(host: string, how: string): Finding {
    const servers = Array.from(
      (this.#root.text("etc/resolv.conf") ?? "").matchAll(/^nameserver\s+(\S+)/gm),
      (match) => match[1],
    );
    const why =
      servers.length === 0
        ? "No name server stands in /etc/resolv.conf."
        : `Asked were ${servers.join(", ")} of /etc/resolv.conf: out of reach, or no longer to be asked since a VPN or the network has changed.`;
    return problem("NAME_SERVER_SILENT", {
      what: `The name ${host} could not be looked up (${how}).`,
      why,
      next: ["Use the numeric address of the host.", "Or write the name and its address into /etc/hosts."],
    });
  }
}

function unknown(host: string, code: string): Finding {
  return problem("NAME_UNKNOWN", {
    what: `No address is known for the name ${host} (${code}).`,
    why: "It is misspelt, or known only in another network, for example inside of a VPN.",
    next: ["Check its spelling.", "Use the numeric address of the host: on it, `hostname -I` tells."],
  });
}
