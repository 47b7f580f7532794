import { existsSync } from "node:fs";
import { printAddress, type TcpAddress, type TlsAddress, type VsockAddress } from "../../links/address.ts";
import { dial } from "../../links/dial.ts";
import { LINK_LIMITS } from "../../links/link.ts";
import { LinkError } from "../../links/link-error.ts";
import { Failed } from "../failure.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import type { Place, RemotePlace } from "../place.ts";
import { RemoteHosts } from "../remote-hosts.ts";
import { IDENTITY } from "../state/identity.ts";
import { StateFolder } from "../state/state-folder.ts";
import { Trust } from "../trust.ts";
import type { Check } from "./check.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import type { Journey } from "./journey.ts";
import { listenersOn } from "./listeners.ts";
import { describePath } from "./network-path.ts";
import { forbidden } from "./socket-file-hop.ts";
import { closes } from "./stranger.ts";
import type { Surroundings } from "./surroundings.ts";
import type { SystemRoot } from "./system-root.ts";

/** For all places together. */
const DIAL_MS = 4_000;

interface Failure {
  readonly place: RemotePlace;
  readonly code: string;
  readonly message: string;
}

/** Whether somebody takes the connection. */
export class ConnectionHop implements Check {
  readonly name = "connection";
  readonly #journey: Journey;
  readonly #root: SystemRoot;
  readonly #surroundings: Surroundings;
  readonly #folder: StateFolder;

  constructor(journey: Journey, root: SystemRoot, system: Surroundings, folder = new StateFolder()) {
    this.#folder = folder;
    this.#journey = journey;
    this.#root = root;
    this.#surroundings = system;
  }

  async run(): Promise<readonly Finding[]> {
    const { places } = this.#journey;
    const failures: Failure[] = [];
    for (const place of places) {
      try {
        const limits = { ...LINK_LIMITS, dialMs: DIAL_MS / places.length };
        const startMs = performance.now();
        if (place.kind === "tls" && !existsSync(this.#folder.fileOf(IDENTITY))) {
          // Dialling as usual would make this machine's certificate, and nobody would know it.
          // oxlint-disable-next-line no-await-in-loop -- there is one place
          (await dial({ ...place, kind: "tcp" }, { limits })).destroy();
          return [neverPaired(printAddress(place))];
        }
        const again = this.#dialOf(place);
        // oxlint-disable-next-line no-await-in-loop -- the next address only matters where this one fails
        this.#journey.link = await again(limits);
        this.#journey.again = again;
        this.#journey.reached = place;
        const ms = (performance.now() - startMs).toFixed(1);
        return [ok("CONNECTED", `${printAddress(place)} takes the connection, after ${ms} ms.`)];
      } catch (error) {
        if (error instanceof LinkError) failures.push({ place, code: error.code, message: error.message });
        else if (error instanceof Failed) failures.push({ place, code: "NO_ANSWER", message: error.message });
        else throw error;
      }
    }
    // Of several addresses of a name the one whose machine has spoken says most.
    const telling = failures.find(({ code }) => code === "ECONNREFUSED") ?? failures[0];
    return telling === undefined ? [] : [this.#failed(telling)];
  }

  #dialOf(place: RemotePlace): NonNullable<Journey["again"]> {
    const trust = new Trust(this.#folder);
    if (place.kind !== "ring-pci") return (limits) => dial(place, { limits, trust });
    // Several connections pass through one piece of memory, which is had once.
    const hosts = new RemoteHosts(new LibuvLoop(), trust);
    return () => hosts.dial(place);
  }

  #failed({ place, code, message }: Failure): Finding {
    const subject = printAddress(place);
    if (place.kind === "ring-pci") return memoryFailure(subject, code, message);
    if (place.kind === "unix" || place.kind === "ring") return unixFailure(place.path, code, message);
    if (place.kind === "vsock") return vsockFailure(place, subject, code, message);
    // The message tells what to do.
    if (place.kind === "fc-vsock") return failed(subject, code, message);
    switch (code) {
      case "TLS_FAILED":
        return noTls(place, subject, message);
      case "CERTIFICATE_ABSENT":
      case "CERTIFICATE_UNKNOWN":
      case "CERTIFICATE_EXPIRED":
      case "CERTIFICATE_EARLY":
      case "WRONG_NAME":
        return notTrusted(`${subject} and this machine do not trust each other (${code}).`, message);
      case "ECONNRESET":
        return closes(subject, code);
      case "ECONNREFUSED":
        return this.#refused(place, subject);
      case "ETIMEDOUT":
        return this.#timedOut(place.port, subject);
      case "EHOSTUNREACH":
      case "ENETUNREACH":
        return problem("HOST_UNREACHABLE", {
          what: `${subject} cannot be reached (${code}).`,
          why: `${this.#way()} Nobody answers for that address on its network: the machine is off or asleep, has another address, or a firewall says so in its place.`,
          next: [
            "Is it on, and is this its address? On it, `hostname -I` tells.",
            `ping ${place.host}`,
            ...this.#onWsl(place.port),
          ],
        });
      default:
        return failed(subject, code, message);
    }
  }

  #refused({ host, port, protocol }: Place & (TcpAddress | TlsAddress), subject: string): Finding {
    const elsewhere = listenersOn(this.#root, port);
    const isHere = host === "::1" || host.startsWith("127.") || this.#journey.path?.source === host;
    const found =
      isHere && elsewhere.length > 0
        ? `On this machine a program does listen on port ${port}, at ${elsewhere.join(", ")} only.`
        : `Nothing listens on port ${port} ${isHere ? "of this machine" : "there"}, or a firewall refuses in its place.`;
    const loopback = isHere
      ? ""
      : " A host of usbferry listens on its own loopback interface unless it is told otherwise.";
    return problem("CONNECTION_REFUSED", {
      what: `${subject} refuses the connection (ECONNREFUSED).`,
      why: `${found}${loopback}`,
      next: isHere
        ? [
            "Start a host: usbferry serve --gadget zero",
            `See who listens: ss -ltnp 'sport = :${port}'`,
            ...this.#onWsl(port),
          ]
        : [
            `On the host, let others in and listen to them: usbferry policy add allow client=NETWORK, then usbferry serve --listen tcp:0.0.0.0:${port} ...`,
            ...(protocol === "wslusb"
              ? []
              : [
                  "With the stock tools: sudo modprobe usbip-host; sudo usbipd -D. On Windows: is the service usbipd running?",
                ]),
            `See there who listens: ss -ltn 'sport = :${port}'`,
            ...this.#onWsl(port),
          ],
    });
  }

  #timedOut(port: number, subject: string): Finding {
    const { path } = this.#journey;
    const vpn = path?.isVpn === true ? ` It is a tunnel, and may carry nothing but its own network.` : "";
    return problem("CONNECTION_TIMED_OUT", {
      what: `${subject} does not answer within ${DIAL_MS / 1_000} s (ETIMEDOUT).`,
      why: `${this.#way()}${vpn} Packets are lost in silence: a firewall drops them, here, on the way or on the host, or the machine is off.`,
      next: [
        ...(path?.isVpn === true
          ? ["Leave the VPN and try again, or let its settings except the host's network (split tunnel)."]
          : []),
        `Open TCP port ${port} in the firewall of the host: sudo ufw allow ${port}/tcp, or sudo firewall-cmd --add-port=${port}/tcp`,
        ...this.#onWsl(port),
        `Or go through what is open already: ssh -L ${port}:127.0.0.1:${port} HOST, then usbferry doctor tcp:${port}`,
      ],
    });
  }

  #way(): string {
    const { path } = this.#journey;
    return path === undefined ? "" : `It is sent out through ${describePath(path)}.`;
  }

  #onWsl(port: number): readonly string[] {
    if (!this.#surroundings.isWsl2) return [];
    return [
      "On WSL2 127.0.0.1 is this virtual machine, unless networkingMode=mirrored stands in .wslconfig; else Windows is at the default gateway: ip route show default",
      `Windows' firewall must let the port in, in PowerShell as administrator: New-NetFirewallRule -DisplayName USB/IP -Direction Inbound -Protocol TCP -LocalPort ${port} -Action Allow`,
      "With networkingMode=mirrored the Hyper-V firewall has a say, too: Get-NetFirewallHyperVRule",
    ];
  }
}

function unixFailure(path: string, code: string, message: string): Finding {
  switch (code) {
    case "ECONNREFUSED":
      return problem("CONNECTION_REFUSED", {
        what: `Nobody listens at ${path} (ECONNREFUSED).`,
        why: "The host that made the socket has ended and left the file behind.",
        next: [`Start it again: usbferry serve --listen unix:${path} ...`],
      });
    case "EACCES":
    case "EPERM":
      return forbidden(path);
    case "ENOENT":
      return problem("SOCKET_FILE_MISSING", {
        what: `${path} leads nowhere.`,
        why: "It is a link to a socket that is not there.",
        next: [`See where it leads: ls -l ${path}`],
      });
    default:
      return failed(`unix:${path}`, code, message);
  }
}

const PAIR = [
  "Pair the two machines: usbferry pair --listen tcp:PORT on one, usbferry pair tcp:HOST:PORT on the other, each as the user who serves or attaches there.",
];

function neverPaired(subject: string): Finding {
  return notTrusted(
    `${subject} can be reached, and this user has not been paired with any machine.`,
    "Over tls: only paired machines meet: each knows the certificate of the other.",
  );
}

function notTrusted(what: string, why: string): Finding {
  return problem("NOT_TRUSTED", { what, why, next: PAIR });
}

function noTls(place: Place & (TcpAddress | TlsAddress), subject: string, why: string): Finding {
  return problem("NO_TLS", {
    what: `${subject} takes the connection and does not speak TLS 1.3.`,
    why,
    next: [
      `A host without encryption is reached by: usbferry doctor ${printAddress({ ...place, kind: "tcp" })}`,
    ],
  });
}

function memoryFailure(subject: string, code: string, message: string): Finding {
  if (code === "EBUSY") {
    return note("MEMORY_IN_USE", {
      what: `${subject} is in use by another process of this machine (EBUSY).`,
      why: "One process has the memory at a time: the agent, as long as a device of that host is attached or wished for.",
      next: ["See what is attached: usbferry ports", "Let go of it: usbferry detach --all"],
    });
  }
  return problem("CONNECTION_FAILED", {
    what: `No connection to ${subject} (${code}).`,
    why: message,
    next: [
      "See what shared memory this virtual machine has: lspci -d 1af4:1110",
      "See its ports: grep . /sys/class/virtio-ports/*/name",
      "On the host: usbferry serve --listen ring:file:MEMORY,port=SOCKET",
    ],
  });
}

function vsockFailure({ cid, port }: VsockAddress, subject: string, code: string, message: string): Finding {
  switch (code) {
    case "EAFNOSUPPORT":
    case "ENODEV":
      return problem("VSOCK_MISSING", {
        what: `This machine reaches no other by vsock (${code}).`,
        why:
          code === "ENODEV"
            ? "It has no vsock device: a virtual machine is given one, and the machine that runs it needs vhost_vsock."
            : "Its kernel has no vsock, or has not loaded it.",
        next: [
          "In a virtual machine: sudo modprobe vmw_vsock_virtio_transport",
          "On the machine that runs it: sudo modprobe vhost_vsock",
          "Give the virtual machine a vsock device (QEMU: -device vhost-vsock-pci,guest-cid=3).",
        ],
      });
    case "ECONNRESET":
    case "ECONNREFUSED":
      return problem("CONNECTION_REFUSED", {
        what: `${subject} refuses the connection (${code}).`,
        why: `Nothing listens at port ${port} there.`,
        next: [`Start a host there: usbferry serve --listen vsock:${port} ...`],
      });
    case "ETIMEDOUT":
      return problem("CONNECTION_TIMED_OUT", {
        what: `${subject} does not answer within ${DIAL_MS / 1_000} s (ETIMEDOUT).`,
        why: `No virtual machine has the context id ${cid}, or it does not run.`,
        next: ["Check the context id; from a virtual machine 2 is the machine that runs it."],
      });
    default:
      return failed(subject, code, message);
  }
}

function failed(subject: string, code: string, message: string): Finding {
  return problem("CONNECTION_FAILED", {
    what: `No connection to ${subject} (${code}).`,
    why: message,
    next: ["Check the address, and the firewalls of both machines."],
  });
}
