import assert from "node:assert/strict";
import { basename } from "node:path";
import { blockDevice } from "../disk.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import {
  checkGadgets,
  detachEverything,
  GADGET_LINES,
  LINK_GADGETS,
  type LinkDevice,
  type LinkGadget,
  untilAttached,
} from "../link-gadgets.ts";
import { LinkHost } from "../link-host.ts";
import { attachByCall, attachDirectByCall, portsByCall, waitByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import type { VsockBackend } from "../vsock-backend.ts";

/** How devices come over a link: with the kernel's own client, behind the guard, or many over one connection. */
export type LinkWay = "direct" | "guarded" | "over WSL-USB";

export const ALL_GADGETS = Object.keys(LINK_GADGETS) as readonly LinkGadget[];

export function protocolOf(way: LinkWay): string {
  return way === "over WSL-USB" ? "wslusb+" : "";
}

function specifications(gadgets: readonly LinkGadget[]): readonly string[] {
  return gadgets.map((gadget) => LINK_GADGETS[gadget]);
}

/** Sessions of devices that are over, by their codes. */
export function ends({ lines }: LinkHost): readonly string[] {
  return lines
    .filter(({ code, busid }) => code !== "IMPORTED" && busid !== undefined)
    .map(({ code }) => code);
}

/** One after the other, as a person would. */
export async function attachEach(
  guest: Guest,
  address: string,
  gadgets: readonly LinkGadget[],
  way: LinkWay,
): Promise<Readonly<Partial<Record<LinkGadget, LinkDevice>>>> {
  const attached: Partial<Record<LinkGadget, LinkDevice>> = {};
  for (const gadget of gadgets) {
    attached[gadget] =
      way === "direct"
        ? await attachDirectByCall(guest, address, gadget)
        : await attachByCall(guest, `${protocolOf(way)}${address}`, gadget);
  }
  if (way === "direct" && attached.disk !== undefined) await writeInSmallPieces(guest, attached.disk);
  return attached;
}

/** The kernel's own client writes to vsock whatever it has at once, which not every monitor takes: docs/links.md. */
async function writeInSmallPieces(guest: Guest, { sysfsName }: LinkDevice): Promise<void> {
  const device = basename(await blockDevice(guest, sysfsName));
  await guest.shell(`echo 16 > /sys/block/${device}/queue/max_sectors_kb`);
}

/** The host listens at a socket of the guest's vsock device; the guest dials its host. */
export function guestDials(
  backend: VsockBackend,
  way: LinkWay,
  gadgets: readonly LinkGadget[] = ALL_GADGETS,
): Scenario {
  return {
    name: `vsock to the host, ${way}: ${gadgets.join(", ")}`,
    timeoutMs: 300_000,
    expected: GADGET_LINES,
    async run(guest) {
      const listen = ["--listen", `fc-vsock:${backend.path}:3240`];
      const host = await LinkHost.start(specifications(gadgets), ...listen);
      try {
        // Without a context id: the machine that this one runs on.
        await checkGadgets(guest, await attachEach(guest, "vsock:3240", gadgets, way));
        assert.deepEqual(ends(host), []);
        await detachEverything(guest);
        await guest.waitFor("all sessions to end", () => ends(host).length === gadgets.length);
        for (const code of ends(host)) assert.equal(code, "OK");
      } finally {
        await host.stop();
      }
    },
  };
}

/** The guest waits; the host dials it, and comes again after it was killed. */
export function hostDials(
  backend: VsockBackend,
  way: Exclude<LinkWay, "direct">,
  gadgets: readonly LinkGadget[] = ALL_GADGETS,
): Scenario {
  return {
    name: `a host that dials through the guest's vsock device, ${way}, and comes back: ${gadgets.join(", ")}`,
    timeoutMs: 300_000,
    expected: GADGET_LINES,
    async run(guest) {
      const options = ["--connect", `${protocolOf(way)}fc-vsock:${backend.path}:5000`] as const;
      const start = (): Promise<LinkHost> => LinkHost.start(specifications(gadgets), ...options);
      let host = await start();
      try {
        // It dials before anybody waits.
        await guest.waitFor("a dial in vain", () => host.when("DIAL_FAILED") !== undefined);
        await waitByCall(guest, `${protocolOf(way)}vsock:5000`);
        await checkGadgets(guest, await untilAttached(guest, gadgets));
        await host.stop("SIGKILL");
        await guest.waitFor("nothing attached", async () => (await portsByCall(guest)).ports.length === 0);
        host = await start();
        const { disk } = await untilAttached(guest, gadgets);
        if (disk !== undefined) await checkGadgets(guest, { disk });
        await detachEverything(guest);
      } finally {
        await host.stop();
      }
    },
  };
}

/** A host in the guest itself, as soon as it listens. */
export function serveInGuest(
  guest: Guest,
  address: string,
  gadgets: readonly LinkGadget[],
): Promise<GuestProcess> {
  return serveSpecifications(guest, address, specifications(gadgets));
}

export async function serveSpecifications(
  guest: Guest,
  address: string,
  gadgets: readonly string[],
): Promise<GuestProcess> {
  let isListening = false;
  const options = ["--listen", address, "--control", "off"];
  const shared = gadgets.flatMap((gadget) => ["--gadget", gadget]);
  const argv = ["/node/bin/node", "/repo/dist/src/cli/main.js", "serve", ...options, ...shared];
  const host = await guest.spawn(argv, () => {
    isListening = true;
  });
  await guest.waitFor("the host", () => isListening, 90_000);
  return host;
}

/** Host and guest side in one kernel. */
export function vsockLoopback(
  ways: readonly LinkWay[],
  gadgets: readonly LinkGadget[] = ALL_GADGETS,
): Scenario {
  return {
    name: `vsock within a machine, ${ways.join(", ")}: ${gadgets.join(", ")}`,
    timeoutMs: 300_000,
    expected: GADGET_LINES,
    async run(guest) {
      const host = await serveInGuest(guest, "vsock:1:3240", gadgets);
      try {
        for (const way of ways) {
          await checkGadgets(guest, await attachEach(guest, "vsock:1:3240", gadgets, way));
          await detachEverything(guest);
        }
      } finally {
        await host.kill();
        await host.exit;
      }
    },
  };
}

/** The promises of a link, judged where the kernel has vsock within a machine. */
export const vsockConformance: Scenario = {
  name: "the promises of a link hold over vsock",
  timeoutMs: 180_000,
  async run(guest) {
    const argv = [
      "/node/bin/node",
      "--test",
      "--test-reporter=tap",
      "/repo/dist/test/conformance/vsock.test.js",
    ];
    const { code, stdout } = await guest.run(argv, { timeoutMs: 170_000 });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^# pass 33$/m, "three kinds of link with eleven promises each");
    assert.match(stdout, /^# skipped 0$/m);
  },
};
