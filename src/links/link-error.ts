/** What was being done to a link when it failed. */
export type LinkAction = "listen" | "dial" | "carry";

/** A link could not be made, or broke. `message` says what happened, why, and what to do next. */
export class LinkError extends Error {
  /** The operating system's name of it: "EADDRINUSE". */
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "LinkError";
    this.code = code;
  }
}

type Explanation = readonly [reason: string, next: string];

const UNKNOWN_HOST: Explanation = [
  "no address is known for this host name",
  "Check its spelling, or use the numeric address.",
];

const NO_VSOCK: Explanation = [
  "this kernel does not know vsock",
  "Load it with `sudo modprobe vsock`, or use another address.",
];

const NO_WAY: Explanation = [
  "no way leads to the peer any more",
  "Its machine is off, or the network between is cut: check both and connect again.",
];

const EXPLANATIONS: Readonly<Record<LinkAction, Readonly<Record<string, Explanation>>>> = {
  listen: {
    EAFNOSUPPORT: NO_VSOCK,
    EADDRINUSE: [
      "another program listens there",
      "Stop it (`ss -lp` lists listeners), or listen somewhere else.",
    ],
    EADDRNOTAVAIL: [
      "this machine does not have that address",
      "List its addresses with `ip address`, or listen on tcp:3240.",
    ],
    EACCES: [
      "this user may not listen there",
      "Ports below 1024 and directories of others need root: choose another port or path, or use sudo.",
    ],
    ENOENT: ["the directory does not exist", "Create it, or choose another path."],
    ENOTDIR: ["a part of the path is not a directory", "Choose another path."],
    EROFS: ["the file system is read-only", "Choose another path."],
    ENAMETOOLONG: ["the path of a unix socket has at most 107 bytes", "Choose a shorter path."],
    EEXIST: ["a file that is not a socket is in the way", "Move it away, or choose another path."],
    ENOTFOUND: UNKNOWN_HOST,
    EAI_AGAIN: UNKNOWN_HOST,
  },
  dial: {
    EAFNOSUPPORT: NO_VSOCK,
    // Of vsock: the other kernel answers so where nobody listens.
    ECONNRESET: [
      "nothing listens there",
      "Start the other side there, or check the port and, of vsock, the context id.",
    ],
    ENODEV: [
      "this machine reaches no virtual machine or host by vsock",
      "Give the virtual machine a vsock device, or use another address.",
    ],
    ECONNREFUSED: ["nothing listens there", "Start the host there (`usbferry serve`), or check the address."],
    ENOENT: ["there is no such socket", "Start the host there (`usbferry serve`), or check the path."],
    ENOTSOCK: ["this file is not a socket", "Check the path."],
    // Of a unix socket, whose queue is full.
    EAGAIN: ["too many others wait there", "Try again."],
    EACCES: ["this user may not use the socket", "Join the group of the socket, or use sudo."],
    ETIMEDOUT: ["there was no answer in time", "Check the address, the network and the firewalls between."],
    EHOSTUNREACH: ["no way leads to this host", "Check the address and the network."],
    ENETUNREACH: ["no way leads to this network", "Check the address and the network."],
    EADDRNOTAVAIL: ["this is no address to connect to", "Check the address and the port."],
    ENAMETOOLONG: ["the path of a unix socket has at most 107 bytes", "Check the path."],
    ENOTFOUND: UNKNOWN_HOST,
    EAI_AGAIN: UNKNOWN_HOST,
  },
  carry: {
    EHOSTUNREACH: NO_WAY,
    ENETUNREACH: NO_WAY,
    ENETDOWN: NO_WAY,
    ECONNRESET: ["the peer cut the connection", "Look at the log of the other side."],
    EPIPE: ["the peer closed the connection", "Look at the log of the other side."],
    ETIMEDOUT: [
      "the peer does not answer any more",
      "Its machine is off or asleep, or the network between is cut: check both and connect again.",
    ],
  },
};

const OPENING: Readonly<Record<LinkAction, (subject: string) => string>> = {
  listen: (subject) => `cannot listen on ${subject}`,
  dial: (subject) => `cannot reach ${subject}`,
  carry: (subject) => `lost ${subject}`,
};

/** Puts an error of the operating system into words. */
export function linkError(action: LinkAction, subject: string, cause: NodeJS.ErrnoException): LinkError {
  const code = cause.code ?? "UNKNOWN";
  const [reason, next] = EXPLANATIONS[action][code] ?? [
    cause.message,
    "The code is the operating system's; search for it with the name of the call.",
  ];
  return new LinkError(code, `${OPENING[action](subject)}: ${reason} (${code}). ${next}`, cause);
}
