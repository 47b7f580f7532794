import type { AttachWay, Serving } from "./attachment.ts";
import type { Guest } from "./guest.ts";
import { LinkHost } from "./link-host.ts";
import { attachByCall, readyAgent, seen } from "./own-attachment.ts";
import { ends, serveSpecifications } from "./scenarios/links.ts";
import { type SharedBar, sharedBarAddress } from "./shared-bar.ts";

/** Bus ids that a host gives to gadgets: their kinds, and the second of one kind as kind-2. */
function busidsOf(gadgets: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const counts = new Map<string, number>();
  return new Map(
    Object.entries(gadgets).map(([name, specification]) => {
      const [kind = ""] = specification.split(",");
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      return [name, count === 1 ? kind : `${kind}-${count}`];
    }),
  );
}

type Serve = (guest: Guest, specifications: readonly string[]) => Promise<Serving>;

/** `usbferry serve` with gadgets of a test, attached over a ring at this address. */
function ringWay(words: string, address: string, serve: Serve): AttachWay {
  let busids: ReadonlyMap<string, string> = new Map();
  return {
    words,
    serve(guest, gadgets) {
      busids = busidsOf(gadgets);
      return serve(guest, Object.values(gadgets));
    },
    async attach(guest, _, names) {
      await readyAgent(guest);
      const attachments = [];
      for (const name of names) {
        const { sysfsName, node } = await attachByCall(guest, address, busids.get(name)!);
        attachments.push(await seen(guest, name, sysfsName, node));
      }
      return attachments;
    },
    async detachAll(guest) {
      await guest.call("src/daemon/ports.js", "detachAll", []);
    },
  };
}

/** Host and guest side in one kernel. */
export function withinOneKernel(address: string): AttachWay {
  return ringWay(", over memory of one kernel", address, async (guest, specifications) => {
    const host = await serveSpecifications(guest, address, specifications);
    return {
      port: 0,
      endings: [],
      async stop() {
        await host.kill();
        await host.exit;
      },
    };
  });
}

/** The host in this machine, the guest side in the guest's kernel, and a PCI BAR between them. */
export function throughBar(bar: SharedBar): AttachWay {
  return ringWay(", over a PCI BAR", bar.guestAddress, async (_, specifications) => {
    const host = await LinkHost.start(specifications, "--listen", sharedBarAddress(bar));
    return {
      port: 0,
      get endings() {
        return ends(host);
      },
      stop: () => host.stop(),
    };
  });
}
