import { VMADDR_CID_LOCAL } from "../../linux/vsock.ts";
import { CONDITION_KEYS, CONDITIONS, clientCanBe } from "./conditions.ts";
import { type ClientFacts, type DeviceFacts, isLoopback, type LinkKind } from "./facts.ts";
import type { Rule } from "./rule.ts";

/** What comes of a request, and which rule decided; without one it was the default. */
export interface Verdict<R extends Rule> {
  readonly allowed: boolean;
  readonly rule?: R;
}

/**
 * The first allow or deny rule that matches decides; without one this machine may, and whom it was told to dial,
 * and nobody else. Where a fact is missing, an allow rule does not match and a deny rule does.
 */
export function decide<R extends Rule>(
  rules: Iterable<R>,
  device: DeviceFacts,
  client: ClientFacts,
): Verdict<R> {
  for (const rule of rules) {
    if (rule.action === "auto-bind") continue;
    const matches = ruleMatches(rule, device, client);
    if (matches ?? rule.action === "deny") return { allowed: rule.action === "allow", rule };
  }
  return { allowed: allowedByDefault(client) };
}

/** The first auto-bind rule that matches a device of this machine. */
export function autoBind<R extends Rule>(rules: Iterable<R>, device: DeviceFacts): R | undefined {
  const nobody: ClientFacts = { link: "unknown", isDialled: false };
  for (const rule of rules) {
    if (rule.action === "auto-bind" && ruleMatches(rule, device, nobody) === true) return rule;
  }
  return undefined;
}

/** Whether somebody beyond this machine could be allowed something over such a link. */
export function mayAdmit(rules: Iterable<Rule>, link: LinkKind): boolean {
  for (const rule of rules) {
    const { action, client } = rule;
    if (rule.link !== undefined && rule.link !== link) continue;
    const isAboutDevices = CONDITION_KEYS.some(
      (key) => CONDITIONS[key].about === "device" && rule[key] !== undefined,
    );
    if (action === "deny" && client === undefined && !isAboutDevices) return false;
    if (action === "allow" && (client === undefined || clientCanBe(client, link))) return true;
  }
  return false;
}

function ruleMatches(rule: Rule, device: DeviceFacts, client: ClientFacts): boolean | undefined {
  let result: boolean | undefined = true;
  for (const key of CONDITION_KEYS) {
    const value = rule[key];
    if (value === undefined) continue;
    const matches = CONDITIONS[key].matches(value as never, device, client);
    if (matches === false) return false;
    result &&= matches;
  }
  return result;
}

function allowedByDefault({ link, address, cid, memory, isDialled }: ClientFacts): boolean {
  if (isDialled) return true;
  switch (link) {
    case "unix":
    case "memory":
      return true;
    case "ring":
      return memory === undefined;
    case "tcp":
    case "tls":
      return address !== undefined && isLoopback(address);
    case "vsock":
      return cid === VMADDR_CID_LOCAL;
    default:
      return false;
  }
}
