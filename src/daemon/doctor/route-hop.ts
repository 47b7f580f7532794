import { isIP } from "node:net";
import { isOfNetwork } from "./address-hop.ts";
import type { Check } from "./check.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";
import { describePath, networkPath } from "./network-path.ts";
import type { SystemRoot } from "./system-root.ts";

/** Whether the kernel has a way to the host, and which interface it takes. */
export class RouteHop implements Check {
  readonly name = "route";
  readonly #journey: Journey;
  readonly #root: SystemRoot;

  constructor(journey: Journey, root: SystemRoot) {
    this.#journey = journey;
    this.#root = root;
  }

  async run(): Promise<readonly Finding[]> {
    const refusals: Finding[] = [];
    const { address, hosts } = this.#journey;
    if (address === undefined || !isOfNetwork(address)) return [];
    for (const host of hosts) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- the next address only matters where this one has no way
        const path = await networkPath(this.#root, host, address.port);
        this.#journey.path = path;
        const words = `${host} is reached through ${describePath(path)}`;
        return [path.isVpn ? throughVpn(`${words}.`, path.device) : ok("ROUTE_FOUND", `${words}.`)];
      } catch (error) {
        refusals.push(refusal(host, (error as NodeJS.ErrnoException).code ?? "UNKNOWN"));
      }
    }
    return refusals.slice(0, 1);
  }
}

function throughVpn(what: string, device: string | undefined): Finding {
  return note("ROUTE_THROUGH_VPN", {
    what,
    why: `${device} is a tunnel, of a VPN for example: it adds time to every transfer, and VPNs often drop what is not for their own network.`,
    next: [
      "If the host is near: leave the VPN, or let its settings except the host's network (split tunnel).",
    ],
  });
}

function refusal(host: string, code: string): Finding {
  const family = isIP(host) === 6 ? "-6 " : "";
  const look = `See what the kernel decides: ip ${family}route get ${host}`;
  if (code === "ENETUNREACH" || code === "EHOSTUNREACH" || code === "EADDRNOTAVAIL") {
    return problem("ROUTE_MISSING", {
      what: `No way leads to ${host} (${code}).`,
      why:
        code === "EHOSTUNREACH"
          ? 'A route of the kind "unreachable" covers the address.'
          : "This machine has no route to that network, and no default route that covers it: is the network up, the VPN connected?",
      next: [look, "Connect to the network of the host, or use another address of it."],
    });
  }
  const kinds: Readonly<Record<string, string>> = { EACCES: '"prohibit"', EINVAL: '"blackhole"' };
  return problem("ROUTE_REFUSED", {
    what: `This machine itself refuses to send to ${host} (${code}).`,
    why: `A route of the kind ${kinds[code] ?? "that refuses"} covers the address: a VPN's kill switch or a firewall sets such.`,
    next: [look, "Except the host's network in the settings of the VPN or firewall."],
  });
}
