import type { LoadReport } from "./loopback-load.ts";

/** What the process of a guest tells. */
export type SideMessage =
  /** It has a device and begins to load it. */
  | { readonly what: "session" }
  | { readonly what: "progress"; readonly messages: number }
  /** The device is gone, and everything that was submitted has come back. */
  | { readonly what: "lost"; readonly report: LoadReport }
  /** It was asked to end. */
  | {
      readonly what: "ended";
      readonly report: LoadReport;
      readonly slots: number;
      readonly urbs: number;
    }
  /** A session ended with an error; that a peer was killed is none. */
  | { readonly what: "error"; readonly message: string };

export function tell(message: SideMessage): void {
  process.send!(message);
}
