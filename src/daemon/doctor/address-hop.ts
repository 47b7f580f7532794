import { isIP } from "node:net";
import {
  AddressError,
  type Endpoint,
  parseAddress,
  type TcpAddress,
  type TlsAddress,
} from "../../links/address.ts";
import { isLinkAddress } from "../../links/listen.ts";
import type { Check } from "./check.ts";
import { type Finding, ok, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";

/** Whether the address says something that can be dialled. */
export class AddressHop implements Check {
  readonly name = "address";
  readonly #journey: Journey;

  constructor(journey: Journey) {
    this.#journey = journey;
  }

  run(): readonly Finding[] {
    const { text } = this.#journey;
    const address = parseAddress(text);
    if (address instanceof AddressError) {
      return [
        problem("ADDRESS_WRONG", {
          what: `What is written in place of an address cannot be dialled.`,
          why: address.message,
          next: ["Write tcp:HOST:3240 for a host in the network, unix:PATH for one on this machine."],
        }),
      ];
    }
    if (address.kind !== "ring-pci" && !isLinkAddress(address)) {
      return [
        problem("ADDRESS_NOT_BUILT", {
          what: `Addresses such as "${text}" cannot be dialled by this version of usbferry.`,
          why: "The kind is known and not built yet.",
          next: [
            "Use tcp:HOST:PORT or unix:PATH, through a tunnel if need be: ssh -L 3240:127.0.0.1:3240 HOST",
          ],
        }),
      ];
    }
    this.#journey.address = address;
    if (isOfNetwork(address)) {
      // A name is for the next hop. Where a certificate is expected, its host is dialled as it was typed.
      const isNumeric = isIP(address.host.replace(/%.*$/, "")) !== 0;
      this.#journey.hosts = isNumeric ? [address.host] : [];
      this.#journey.places = isNumeric || address.kind === "tls" ? [address] : [];
    } else this.#journey.places = [address];
    return [ok("ADDRESS_UNDERSTOOD", `${text} is understood.`)];
  }
}

/** Whether there is a host with a name, and a route to it. */
export function isOfNetwork(address: Endpoint): address is TcpAddress | TlsAddress {
  return address.kind === "tcp" || address.kind === "tls";
}
