import { type Finding, problem } from "./finding.ts";

/** What was looked for. */
export type Expected = "USB/IP" | "WSL-USB";

/** It took the connection and said nothing. */
export function silent(subject: string, expected: Expected, waitedMs: number): Finding {
  return problem("HOST_SILENT", {
    what: `${subject} takes the connection and says nothing for ${waitedMs / 1_000} s.`,
    why: `What listens there is no ${expected} host, or hangs. A proxy, a virtual machine's port forwarding and some firewalls take connections for hosts that are not there.`,
    next: [
      "On the host, see who listens on the port: sudo ss -ltnp",
      "Start the host again, and look at its log.",
    ],
  });
}

export function closes(subject: string, code: string | undefined): Finding {
  return problem("HOST_CLOSES", {
    what: `${subject} takes the connection and closes it without an answer${code === undefined ? "" : ` (${code})`}.`,
    why: "A tunnel or proxy (ssh -L, docker, netsh portproxy) that finds nobody at its other end does so, and hosts that do not let this address in, or have too many connections.",
    next: [
      "On the host itself: usbferry doctor tcp:127.0.0.1:3240",
      "Check the other end of the tunnel, the rules of the host, and its log.",
    ],
  });
}

export function tlsServer(subject: string): Finding {
  return problem("TLS_SERVER", {
    what: `${subject} speaks TLS.`,
    why: "It expects an encrypted connection: a host that listens on tls:, or another service.",
    next: ["If it is a usbferry host: usbferry doctor tls:HOST:PORT", "Else check the port."],
  });
}

/** Bytes came that are of another protocol. */
export function otherProtocol(subject: string, expected: Expected, first: Uint8Array): Finding {
  const text = Buffer.from(first).toString("latin1");
  if (text.includes("HTTP/")) {
    return problem("HTTP_SERVER", {
      what: `${subject} is a web server, not a ${expected} host.`,
      why: `It answers: ${quoted(text)}`,
      next: [CHECK_PORT],
    });
  }
  // A record of the kind alert or handshake, of TLS 1.x.
  if ((first[0] === 0x15 || first[0] === 0x16) && first[1] === 3) return tlsServer(subject);
  return problem("OTHER_PROTOCOL", {
    what: `${subject} is no ${expected} host: it speaks something else.`,
    why: `It answers: ${quoted(text)}`,
    next: [CHECK_PORT],
  });
}

const CHECK_PORT = "Check the port: 3240 unless the host says otherwise.";

/** A stranger's bytes, harmless for a terminal. */
function quoted(text: string): string {
  const [line = ""] = text.split(/[\r\n]/);
  return `"${line.replace(/[^\x20-\x7e]/g, ".")}"`;
}
