import type { Guest } from "./guest.ts";

/** A device that the stock `usbip` tool has attached to the guest's kernel. */
export interface Attachment {
  readonly busid: string;
  /** Name below /sys/bus/usb/devices, `1-2` say. */
  readonly sysfsName: string;
  /** /dev/bus/usb/BBB/DDD */
  readonly node: string;
  /** The kernel's speed in Mbit/s: 1.5, 12, 480 or 5000. */
  readonly speed: string;
}

/**
 * attach-and-find HOST PORT BUSID: attaches, waits until the device with the serial number BUSID is configured, and
 * prints `sysfsName speed busnum devnum`.
 */
const ATTACH_AND_FIND = `
usbip --tcp-port $2 attach -r $1 -b $3 >&2 || exit 1
tries=0
while [ $tries -lt 500 ]; do
  serial=$(grep -lxF "$3" /sys/bus/usb/devices/*/serial 2>/dev/null)
  device=\${serial%/serial}
  if [ -n "$serial" ] && [ -n "$(cat $device/bConfigurationValue)" ]; then
    echo $(basename $device) $(cat $device/speed $device/busnum $device/devnum)
    exit 0
  fi
  usleep 20000
  tries=$((tries+1))
done
echo "$3 is attached but never configured" >&2
exit 1`;

/**
 * Attaches one device after the other. Each must have its bus id as serial number, by which it is found again.
 * The next one waits until the last is configured: the stock tool fails as long as a port is in use whose device
 * sysfs does not show yet, and it picks ports without a lock.
 */
export async function attach(
  guest: Guest,
  port: number,
  busids: readonly string[],
  address = guest.hostAddress,
): Promise<Attachment[]> {
  await guest.writeFile("/tmp/attach-and-find", ATTACH_AND_FIND);
  const script = busids.map((busid) => `sh /tmp/attach-and-find ${address} ${port} ${busid} || exit 1`);
  const lines = await guest.shell(script.join("\n"), { timeoutMs: 20_000 + busids.length * 5_000 });
  return lines
    .trim()
    .split("\n")
    .map((line, index) => {
      const [sysfsName, speed, busnum, devnum] = line.split(" ");
      const node = `/dev/bus/usb/${busnum!.padStart(3, "0")}/${devnum!.padStart(3, "0")}`;
      return { busid: busids[index]!, sysfsName: sysfsName!, node, speed: speed! };
    });
}

/** Ports in use, as vhci_hcd numbers them. */
export async function portsInUse(guest: Guest): Promise<number[]> {
  const status = await guest.shell("cat /sys/devices/platform/vhci_hcd.0/status*");
  return status
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([hub, , state]) => (hub === "hs" || hub === "ss") && state === "006")
    .map(([, port]) => Number(port));
}

/** Detaches everything and waits until the kernel has let go. */
export async function detachAll(guest: Guest): Promise<void> {
  const ports = await portsInUse(guest);
  await guest.shell(ports.map((port) => `usbip detach -p ${port} || exit 1`).join("\n"), {
    timeoutMs: 60_000,
  });
  await guest.waitFor("all ports to be free", async () => (await portsInUse(guest)).length === 0);
}

/** A host of gadgets. */
export interface Serving {
  readonly port: number;
  /** Sessions that ended. */
  readonly endings: readonly unknown[];
  stop(): Promise<void>;
}

/** How devices come to the guest's kernel, and go. */
export interface AttachWay {
  /** At the end of a scenario's name. */
  readonly words: string;
  /** Serves gadgets under these bus ids. Default: a host of this process, at a port of TCP. */
  serve?(guest: Guest, gadgets: Readonly<Record<string, string>>): Promise<Serving>;
  attach(guest: Guest, port: number, busids: readonly string[]): Promise<Attachment[]>;
  detachAll(guest: Guest): Promise<void>;
}

export const STOCK_TOOL: AttachWay = { words: "", attach, detachAll };

/** Kernel lines that any attach provokes. */
export const ATTACH_LINES = [
  {
    pattern: /vhci_hcd: vhci_device speed not set/,
    reason: "vhci_hcd prints this for every full-speed device: its port status knows high and low speed only",
  },
];

/** Kernel lines that the end of a link in mid-traffic provokes. */
export const LINK_LOST_LINES = [
  {
    pattern: /vhci_hcd: connection reset by peer/,
    reason: "a host that is gone leaves requests unread, so TCP resets",
  },
  {
    pattern: /vhci_hcd: sendmsg failed!, ret=-(32|104)\b/, // EPIPE, ECONNRESET
    reason: "a request was written to a link that had just ended",
  },
  { pattern: /usb .*: enqueue for inactive port/, reason: "a program submitted while its device went away" },
  { pattern: /usb .*: recv xbuf, \d+/, reason: "the link ended inside the data of a reply" },
];
