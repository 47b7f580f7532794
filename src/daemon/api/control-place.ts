import { BlockList } from "node:net";
import { isAbsolute, join } from "node:path";
import { AddressError, parseAddress, type TcpAddress, type UnixAddress } from "../../links/address.ts";
import { WrongUsage } from "../failure.ts";

/** Who is controlled: a host, the agent, or the controller of a VM. */
export type DaemonRole = "serve" | "agent" | "controller";

/** Where a control API is served. */
export type ControlPlace = UnixAddress | TcpAddress;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Reads what stands behind `--control`: nothing for `off`. Throws WrongUsage. */
export function readControlPlace(text: string): ControlPlace | undefined {
  if (text === "off") return undefined;
  if (isAbsolute(text)) return { kind: "unix", path: text };
  const address = parseAddress(text);
  if (address instanceof AddressError || (address.kind !== "unix" && address.kind !== "tcp")) {
    throw new WrongUsage(
      `"${text}" is no place for the control API. Write the path of a socket, as in --control /run/usbferry/serve.sock, ` +
        "or tcp:PORT, or off.",
    );
  }
  return address.kind === "unix"
    ? { kind: "unix", path: address.path }
    : { kind: "tcp", host: address.host, port: address.port };
}

/** Reads what stands behind `--dashboard`: nothing for `off`. Throws WrongUsage. */
export function readDashboardPlace(text: string): TcpAddress | undefined {
  if (text === "off") return undefined;
  const address = parseAddress(text);
  if (address instanceof AddressError || address.kind !== "tcp") {
    throw new WrongUsage(
      `"${text}" is no place for the dashboard. Write tcp:PORT, as in --dashboard tcp:8080, or off.`,
    );
  }
  const place: TcpAddress = { kind: "tcp", host: address.host, port: address.port };
  if (isLocal(place)) return place;
  throw new WrongUsage(
    `the dashboard is for this machine alone, and "${text}" is not. Write --dashboard tcp:${place.port} here, and ` +
      `ssh -L ${place.port}:127.0.0.1:${place.port} THIS-MACHINE where the browser is.`,
  );
}

/** Whether only this machine reaches it. */
export function isLocal(place: ControlPlace): boolean {
  if (place.kind === "unix" || place.host === "localhost") return true;
  return loopback.check(place.host, place.host.includes(":") ? "ipv6" : "ipv4");
}

/** The folder of sockets and tokens of this user; nothing for a user without one. */
export function runtimeFolder(): string | undefined {
  if (process.getuid?.() === 0) return "/run/usbferry";
  const { XDG_RUNTIME_DIR = "" } = process.env;
  return XDG_RUNTIME_DIR === "" ? undefined : join(XDG_RUNTIME_DIR, "usbferry");
}

/** Where the host of this user is controlled, unless it was told otherwise; nothing where there is no place. */
export function serveControl(): ControlPlace | undefined {
  const { USBFERRY_CONTROL = "" } = process.env;
  if (USBFERRY_CONTROL !== "") return readControlPlace(USBFERRY_CONTROL);
  const folder = runtimeFolder();
  return folder === undefined ? undefined : { kind: "unix", path: join(folder, "serve.sock") };
}

/** The agent of root serves the kernel; another user's can only be for looking. */
export function agentSocket(): string {
  const { USBFERRY_AGENT = "" } = process.env;
  return USBFERRY_AGENT === "" ? join(runtimeFolder() ?? "/run/usbferry", "agent.sock") : USBFERRY_AGENT;
}
