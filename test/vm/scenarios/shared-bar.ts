import assert from "node:assert/strict";
import { LINK_LOST_LINES } from "../attachment.ts";
import type { Guest } from "../guest.ts";
import {
  checkGadgets,
  detachEverything,
  GADGET_LINES,
  type GadgetLevel,
  LINK_GADGETS,
  type LinkGadget,
  SHORT,
  untilAttached,
} from "../link-gadgets.ts";
import { LinkHost } from "../link-host.ts";
import { attachByCall, keepByCall, outputOf, portsByCall, readyAgent } from "../own-attachment.ts";
import { play, type Scenario } from "../scenario.ts";
import {
  BAR_PLACE,
  newBar,
  removeBar,
  type SharedBar,
  sharedBarAddress,
  sharedBarArguments,
} from "../shared-bar.ts";
import { prepareTestBed } from "../test-bed.ts";
import { attachEach, ends } from "./links.ts";

const OTHERS: readonly LinkGadget[] = ["serial", "zero"];
const ALL = [LINK_GADGETS.disk, ...OTHERS.map((gadget) => LINK_GADGETS[gadget])];

/** The host in this machine, and its devices in the guest's kernel through a PCI BAR, all by the command line. */
export function sharedBar(bar: SharedBar, level: GadgetLevel = SHORT): Scenario {
  return {
    name: `memory of a virtual machine: disk, ${OTHERS.join(", ")} through a PCI BAR, and again after the host was killed`,
    timeoutMs: 600_000,
    expected: [...GADGET_LINES, ...LINK_LOST_LINES],
    async run(guest) {
      const listen = ["--listen", sharedBarAddress(bar)];
      let host = await LinkHost.start(ALL, ...listen);
      try {
        assert.match(await outputOf(guest, "list", bar.guestAddress), /^disk +1209:0001 .*Shared$/m);
        await readyAgent(guest);
        const others = await attachEach(guest, bar.guestAddress, OTHERS, "guarded");
        const { device: disk } = await keepByCall(guest, bar.guestAddress, ["disk"], "true");
        await checkGadgets(guest, { ...others, disk: disk! }, level);
        assert.deepEqual(ends(host), []);
        await host.stop("SIGKILL");
        await guest.waitFor("nothing attached", async () => (await portsByCall(guest)).ports.length === 0);
        host = await LinkHost.start(ALL, ...listen);
        // In another epoch, and without being asked for.
        await checkGadgets(guest, await untilAttached(guest, ["disk"]));
        await detachEverything(guest);
        await guest.waitFor("the session to end", () => ends(host).length === 1);
        assert.deepEqual(ends(host), ["OK"]);
      } finally {
        await host.stop();
      }
    },
  };
}

/** Packets of every millisecond pass through it, both ways. */
export function sharedBarSound(bar: SharedBar, level: GadgetLevel = SHORT): Scenario {
  return {
    name: `memory of a virtual machine: ${level.soundSeconds} s of sound through a PCI BAR`,
    timeoutMs: 200_000,
    expected: GADGET_LINES,
    async run(guest) {
      const host = await LinkHost.start([LINK_GADGETS.audio], "--listen", sharedBarAddress(bar));
      try {
        await readyAgent(guest);
        await checkGadgets(guest, await attachEach(guest, bar.guestAddress, ["audio"], "guarded"), level);
        await detachEverything(guest);
        assert.deepEqual(ends(host), ["OK"]);
      } finally {
        await host.stop();
      }
    },
  };
}

/** What a person is told where there is no such memory, or nobody behind it. */
export function sharedBarErrors(bar: SharedBar): Scenario {
  return {
    name: "memory of a virtual machine: what is missing is told",
    async run(guest) {
      const refused = (address: string, why: RegExp): Promise<void> =>
        assert.rejects(guest.call("src/daemon/remote-devices.js", "listRemoteDevices", [address]), why);
      await refused(
        "ring:pci:0000:00:1e.7",
        /there is no PCI device at this place \(ENODEV\)\. Use ring:pci:0000:00:10\.0\./,
      );
      await refused("ring:pci:0000:00:00.0", /the device there is 8086:29c0, and shared memory is 1af4:1110/);
      await refused(
        `ring:pci:${BAR_PLACE},port=no.such`,
        new RegExp(
          `no virtio-serial port is called "no\\.such".*There is .*"${bar.port.replaceAll(".", "\\.")}"`,
        ),
      );
      await refused(
        bar.guestAddress,
        /Check that the host serves this memory: usbferry serve --listen ring:file:MEMORY/,
      );
    },
  };
}

/** One host process, and two virtual machines, each with memory of its own. */
export function twoBars(bar: SharedBar): Scenario {
  return {
    name: "two virtual machines have devices of one host at once, each through memory of its own",
    timeoutMs: 600_000,
    expected: [...GADGET_LINES, ...LINK_LOST_LINES],
    async run(one) {
      const otherBar = newBar("other", "other.ring");
      const other = await (await prepareTestBed()).boot({
        kernel: one.kernel,
        name: "the other guest",
        modules: ["vhci-hcd"],
        qemuArguments: sharedBarArguments(otherBar),
      });
      const listen = [bar, otherBar].flatMap((each) => ["--listen", sharedBarAddress(each)]);
      const gadgets = [LINK_GADGETS.disk, LINK_GADGETS.disk, LINK_GADGETS.serial, LINK_GADGETS.serial];
      const host = await LinkHost.start(gadgets, ...listen);
      try {
        const run = (): Promise<void> => useTwo(other, otherBar, "-2");
        const user: Scenario = { name: "the other one", expected: GADGET_LINES, timeoutMs: 300_000, run };
        await Promise.all([useTwo(one, bar, ""), play(user, other)]);
        assert.deepEqual(ends(host), ["OK", "OK", "OK", "OK"]);
      } finally {
        await host.stop();
        await other.stop();
        removeBar(otherBar);
      }
    },
  };
}

async function useTwo(guest: Guest, { guestAddress }: SharedBar, suffix: string): Promise<void> {
  await readyAgent(guest);
  const disk = await attachByCall(guest, guestAddress, `disk${suffix}`);
  const serial = await attachByCall(guest, guestAddress, `serial${suffix}`);
  await checkGadgets(guest, { disk, serial });
  await detachEverything(guest);
}
