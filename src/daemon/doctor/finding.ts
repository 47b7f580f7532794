/** Stable codes of what `usbferry doctor` finds. Each is a heading of docs/doctor.md, which says more. */
export type FindingCode =
  // the kernel as a guest
  | "VHCI_LOADED"
  | "VHCI_NOT_LOADED"
  | "VHCI_NOT_IN_KERNEL"
  | "VHCI_FILE_MISSING"
  | "VHCI_HIDDEN"
  | "MODULES_FOLDER_MISSING"
  | "VHCI_PERMITTED"
  | "VHCI_NO_PERMISSION"
  | "VHCI_READ_ONLY"
  | "PORTS_FREE"
  | "PORTS_FULL"
  | "PORTS_IN_ERROR"
  | "USBIP_DEBUG_OFF"
  | "USBIP_DEBUG_ON"
  | "UDEV_RUNNING"
  | "UDEV_NOT_RUNNING"
  // attached devices
  | "DRIVERS_BOUND"
  | "NOTHING_ATTACHED"
  | "DRIVER_NOT_LOADED"
  | "DRIVER_MISSING"
  | "DRIVER_REFUSED"
  | "PROGRAM_NEEDED"
  | "NOT_CONFIGURED"
  // this machine as a host
  | "USBFS_THERE"
  | "USBFS_MISSING"
  | "NO_USB"
  | "NODES_PERMITTED"
  | "NODE_NO_PERMISSION"
  | "DEVICES_FREE"
  | "DEVICE_HAS_DRIVER"
  | "DEVICE_OF_USBIP_HOST"
  | "DEVICE_CLAIMED"
  | "DEVICE_OPEN"
  | "DEVICE_MOUNTED"
  | "USBFS_MEMORY_LARGE"
  | "USBFS_MEMORY_SMALL"
  | "NO_CAPTURE"
  | "CAPTURE_RUNS"
  // programs of this machine
  | "DAEMONS_ANSWER"
  | "NO_DAEMONS"
  | "RUNTIME_FOLDER_MISSING"
  | "CONTROL_NO_PERMISSION"
  | "DAEMON_SILENT"
  | "DAEMON_BROKEN"
  | "DAEMON_VERSION"
  | "STOCK_TOOL_FITS"
  | "STOCK_TOOL_ABSENT"
  | "STOCK_TOOL_OLD"
  | "STOCK_TOOL_BROKEN"
  // the way to ADDR
  | "ADDRESS_UNDERSTOOD"
  | "ADDRESS_WRONG"
  | "ADDRESS_NOT_BUILT"
  | "NAME_KNOWN"
  | "NAME_UNKNOWN"
  | "NAME_SERVER_SILENT"
  | "ROUTE_FOUND"
  | "ROUTE_MISSING"
  | "ROUTE_REFUSED"
  | "ROUTE_THROUGH_VPN"
  | "SOCKET_FILE_THERE"
  | "SOCKET_FILE_MISSING"
  | "SOCKET_FILE_NO_PERMISSION"
  | "SOCKET_FILE_NO_SOCKET"
  | "CONNECTED"
  | "CONNECTION_REFUSED"
  | "CONNECTION_TIMED_OUT"
  | "HOST_UNREACHABLE"
  | "CONNECTION_FAILED"
  | "NOT_TRUSTED"
  | "NO_TLS"
  | "VSOCK_MISSING"
  | "MEMORY_IN_USE"
  | "LIST_ANSWERED"
  | "ANSWERS_SLOWLY"
  | "HOST_SILENT"
  | "HOST_CLOSES"
  | "HOST_REFUSES"
  | "HOST_BREAKS_PROTOCOL"
  | "HTTP_SERVER"
  | "TLS_SERVER"
  | "OTHER_PROTOCOL"
  | "WRONG_VERSION"
  | "USBIP_HOST"
  | "SHARES_NOTHING"
  | "DENIED_BY_RULES"
  // the examination itself
  | "NOT_LINUX"
  | "CHECK_TIMED_OUT"
  | "CHECK_FAILED";

/** A `problem` stands in the way; a `note` is worth knowing and does not. */
export type Severity = "ok" | "note" | "problem";

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly what: string;
  /** Of what is not ok. */
  readonly why?: string;
  /** What to do, one step after the other: a sentence or a line for a shell. */
  readonly next?: readonly string[];
}

export interface Trouble {
  readonly what: string;
  readonly why: string;
  readonly next: readonly string[];
}

export function ok(code: FindingCode, what: string): Finding {
  return { code, severity: "ok", what };
}

export function note(code: FindingCode, trouble: Trouble): Finding {
  return { code, severity: "note", ...trouble };
}

export function problem(code: FindingCode, trouble: Trouble): Finding {
  return { code, severity: "problem", ...trouble };
}
