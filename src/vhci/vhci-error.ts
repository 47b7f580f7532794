export type VhciErrorCode =
  /** vhci_hcd is not loaded. */
  | "NO_MODULE"
  /** This user may not attach and detach. */
  | "NO_PERMISSION"
  /** Every port of the hub for this speed is in use. */
  | "NO_FREE_PORT"
  /** There is nothing on this port. */
  | "NOT_ATTACHED"
  /** The device was attached, and no device node came of it. */
  | "NO_DEVICE"
  /** The kernel refuses for another reason. */
  | "REFUSED";

/** This machine's kernel does not take a device. `message` says what happened, why, and what to do next. */
export class VhciError extends Error {
  readonly code: VhciErrorCode;

  constructor(code: VhciErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "VhciError";
    this.code = code;
  }
}
