import { type Static, Type } from "@sinclair/typebox";
import type { PairedMachine } from "../../links/trust.ts";
import { Failed, WrongUsage } from "../failure.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

/** What can stand in a rule, and in the place of a host. */
const NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";
const HOST = "^[^\\s/]{1,255}$";

const Machine = Type.Object(
  {
    name: Type.String({
      pattern: NAME,
      description: "a name: letters, digits, dots, dashes and underscores",
    }),
    fingerprint: Type.String({
      pattern: "^[0-9a-f]{64}$",
      description: "the SHA-256 of a certificate in hexadecimal",
    }),
    hosts: Type.Array(Type.String({ pattern: HOST, description: "a host name or address" }), {
      description: "a list of hosts",
    }),
  },
  { additionalProperties: false, description: "a machine: name, fingerprint and hosts" },
);

const MachinesSchema = Type.Object(
  {
    version: Type.Literal(1),
    machines: Type.Array(Machine, { description: "a list of machines" }),
  },
  { additionalProperties: false, description: "a document with version and machines" },
);
type Machine = Static<typeof Machine>;
type MachinesState = Static<typeof MachinesSchema>;

const MACHINES_MAX = 1_000;
const HOSTS_MAX = 32;

export const MACHINES: StateKind<MachinesState> = {
  file: "machines.json",
  version: 1,
  schema: MachinesSchema,
  empty: { version: 1, machines: [] },
  check(document) {
    const names = new Set<string>();
    for (const [i, { name }] of document.value.machines.entries()) {
      if (names.has(name)) throw document.refusal(["machines", i, "name"], `${name} is there twice`);
      names.add(name);
    }
  },
};

/** Machines that were paired with this one. Changes resolve when they are durable. */
export class Machines {
  readonly #store: ChangeableState<MachinesState>;

  constructor(store: ChangeableState<MachinesState>) {
    this.#store = store;
  }

  /** In the place of a machine of this name, and of one with this certificate. */
  async add({ name, fingerprint, hosts }: PairedMachine): Promise<void> {
    if (!isMachineName(name)) throw notAName(name);
    await this.#store.change((state) => {
      const others = state.machines.filter(
        (known) => known.name !== name && known.fingerprint !== fingerprint,
      );
      const before = state.machines.find((known) => known.fingerprint === fingerprint)?.hosts ?? [];
      if (others.length >= MACHINES_MAX) {
        throw new Failed(`there are ${MACHINES_MAX} paired machines already: remove some first.`);
      }
      return { ...state, machines: [...others, { name, fingerprint, hosts: joined(before, hosts) }] };
    });
  }

  /** It may be dialled there. */
  async addHost(name: string, host: string): Promise<void> {
    if (!new RegExp(HOST).test(host))
      throw new WrongUsage(`"${host}" is no host: write a name or an address.`);
    await this.#changeOne(name, (machine) => [{ ...machine, hosts: joined(machine.hosts, [host]) }]);
  }

  async remove(name: string): Promise<void> {
    await this.#changeOne(name, () => []);
  }

  async #changeOne(name: string, edit: (machine: Machine) => Machine[]): Promise<void> {
    await this.#store.change((state) => {
      if (!state.machines.some((known) => known.name === name)) {
        throw new Failed(`no machine is paired as "${name}": \`usbferry pair list\` shows them.`);
      }
      return {
        ...state,
        machines: state.machines.flatMap((known) => (known.name === name ? edit(known) : known)),
      };
    });
  }
}

export function isMachineName(text: string): boolean {
  return new RegExp(NAME).test(text);
}

export function notAName(text: string): WrongUsage {
  return new WrongUsage(
    `"${text}" is no name for a machine: it begins with a letter or digit and has up to 63 of them, dots, dashes and ` +
      "underscores.",
  );
}

/** The latest, if there are too many. */
function joined(before: readonly string[], more: readonly string[]): string[] {
  return [...new Set([...before, ...more])].slice(-HOSTS_MAX);
}
