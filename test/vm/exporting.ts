import type { Guest } from "./guest.ts";
import { bind, GuestHost, unbindAll } from "./guest-host.ts";
import type { ExpectedLine } from "./kernel-log.ts";

/** Devices that a guest shares. */
export interface Export {
  /** Where other guests and this one find them, of the guest's own. */
  readonly port: number;
  readonly end: () => Promise<void>;
}

/** How a guest shares devices of its own. */
export interface Exporter {
  /** At the end of a scenario's name. */
  readonly words: string;
  /** Complaints of the kernel that belong to it. */
  readonly lines: readonly ExpectedLine[];
  share(guest: Guest, busids: readonly string[]): Promise<Export>;
}

/** Everybody may have everything: the guest's network ends at the runner. */
const FOR_ALL = `
listen: ["tcp:0.0.0.0:3240"]
rules: [allow]
`;

/** Shares devices for as long as `use` takes. */
export async function whileShared(
  guest: Guest,
  exporter: Exporter,
  busids: readonly string[],
  use: (port: number) => Promise<void>,
): Promise<void> {
  const { port, end } = await exporter.share(guest, busids);
  try {
    await use(port);
  } finally {
    await end();
  }
}

/** `usbferry bind --force` and `serve`, in the guest. By force: its only keyboard may be among them. */
function ownHost(words: string, ...args: readonly string[]): Exporter {
  return {
    words,
    lines: [],
    async share(guest, busids) {
      await guest.writeFile("/tmp/serve.yaml", FOR_ALL);
      for (const busid of busids) await bind(guest, busid, true);
      const host = await GuestHost.start(guest, "--config", "/tmp/serve.yaml", ...args);
      return {
        port: 3240,
        end: async () => {
          await host.end("SIGTERM");
          await unbindAll(guest);
        },
      };
    },
  };
}

export const OWN_HOST = ownHost("");

export const LIBUSB_HOST = ownHost(", through libusb", "--usb-backend", "libusb");

/** The kernel's own server, with the stock tools. */
export const KERNELS_HOST: Exporter = {
  words: ", shared by the kernel's own server",
  lines: [
    { pattern: /usbip-host .*: usbip-host: register new device/, reason: "usbip-host warns of each bind" },
    { pattern: /usbip-host .*: recv a header, 0/, reason: "usbip-host says so of each client that closes" },
  ],
  async share(guest, busids) {
    await guest.loadModule("usbip-host");
    await guest.shell(`usbipd -D >/dev/null 2>&1
      ${busids.map((busid) => `usbip bind -b ${busid}`).join("\n")}`);
    return {
      port: 3240,
      end: async () => {
        await guest.shell(`kill $(pidof usbipd)
          ${busids.map((busid) => `usbip unbind -b ${busid} >/dev/null 2>&1`).join("\n")}
          rmmod usbip-host`);
      },
    };
  },
};
