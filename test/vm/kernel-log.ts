/** One record of the guest's kernel log. */
export interface KernelLogLine {
  /** 0 emergency, 1 alert, 2 critical, 3 error, 4 warning, 5 notice, 6 info, 7 debug. */
  readonly level: number;
  readonly sequence: number;
  readonly text: string;
  /** SUBSYSTEM= of the device the kernel spoke about. */
  readonly subsystem: string | undefined;
  /** On the runner's clock, performance.now(), when it arrived. */
  readonly atMs: number;
}

/** Lines that a scenario provokes on purpose. */
export interface ExpectedLine {
  readonly pattern: RegExp;
  readonly reason: string;
}

/** Parses a record of /dev/kmsg (linux: Documentation/ABI/testing/dev-kmsg). */
export function parseKernelRecord(record: string, atMs: number): KernelLogLine {
  const [first = "", ...properties] = record.split("\n");
  const head = /^(\d+),(\d+),\d+,[^;]*;(.*)$/s.exec(first);
  if (!head) throw new Error(`Not a record of /dev/kmsg: ${JSON.stringify(record)}`);
  const subsystem = properties.find((line) => line.startsWith(" SUBSYSTEM="))?.slice(" SUBSYSTEM=".length);
  return {
    level: Number(head[1]) & 7, // the rest is the facility
    sequence: Number(head[2]),
    text: head[3]!.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    subsystem,
    atMs,
  };
}

// What the USB code calls itself at the start of a line that it prints without a device.
const USB_SPEAKER =
  /^(usb|usbcore|usbip|usbip[-_](core|host|vudc)|vhci_hcd|hub|[exou]hci([-_]\w+)?|uas|usb[-_]storage|usbhid|hid|hid-\w+|cdc_\w+|usbtest|snd[-_]usb[-_]audio|uvcvideo|input)\b/;
const USB_SUBSYSTEMS = new Set(["usb", "usbmon", "hid", "tty", "input", "sound"]);

// Failures that some kernels print as information, or that matter whoever says them.
const FAILURES = [
  /\bBUG\b/,
  /\bWARNING:/,
  /\bOops\b/,
  /general protection fault/,
  /blocked for more than \d+ seconds/,
  /hung task/,
  /soft lockup|hard LOCKUP|rcu.*(stall|detected)/,
  /refcount_t:/,
  /use-after-free|KASAN|list_(add|del) corruption/,
  /cannot find a urb/,
  /unknown (command|pdu|type)/,
  /recv xbuf|recv iso|recv a header/,
  /sockfd lookup|failed to attach|connection reset by peer/i,
];

/** Is this line a complaint: an error of anybody, a warning of the USB code, or a failure by its wording? */
export function isComplaint(line: KernelLogLine): boolean {
  if (line.level <= 3) return true;
  if (FAILURES.some((pattern) => pattern.test(line.text))) return true;
  return line.level === 4 && (USB_SPEAKER.test(line.text) || USB_SUBSYSTEMS.has(line.subsystem ?? ""));
}

/** The complaints among these lines that nobody expected, ready to read. Empty: the kernel is content. */
export function judgeKernelLog(
  lines: readonly KernelLogLine[],
  expected: readonly ExpectedLine[] = [],
): string[] {
  return lines
    .filter((line) => isComplaint(line) && !expected.some(({ pattern }) => pattern.test(line.text)))
    .map((line) => `<${line.level}> ${line.text}`);
}
