import { getSystemErrorMap } from "node:util";

const ADVICE: ReadonlyMap<string, string> = new Map([
  ["EACCES", "Run as a user who may do this, for example with sudo."],
  ["EPERM", "Run as a user who may do this, for example with sudo."],
  ["EMFILE", "Close connections or raise the limit of open files (ulimit -n)."],
  ["ENFILE", "The whole machine is out of open files: raise fs.file-max."],
  ["ENOMEM", "Free memory and try again."],
  ["ENOBUFS", "Free memory and try again."],
  ["ENOSYS", "This needs Linux and the koffi package: reinstall with `npm install`."],
]);

/** A system call failed. `message` says which, why, and what a person can do. */
export class SystemError extends Error {
  /** Name of the error number: "EACCES". */
  readonly code: string;
  readonly errno: number;
  /** The call and what it was about: "setsockopt TCP_KEEPIDLE". */
  readonly call: string;

  constructor(call: string, errno: number) {
    const [code, reason] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, "unknown error"];
    const advice = ADVICE.get(code);
    super(`${call} failed: ${reason} (${code}).${advice === undefined ? "" : ` ${advice}`}`);
    this.name = "SystemError";
    this.code = code;
    this.errno = errno;
    this.call = call;
  }
}
