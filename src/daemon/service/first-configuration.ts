import type { ServiceFile } from "./service-file.ts";

/** Where the host of a machine has its configuration. */
export const CONFIGURATION = "/etc/usbferry/usbferry.yaml";

/** For a host that has none yet: it shares what is bound, with this machine. */
export function firstConfiguration(path: string): ServiceFile {
  return {
    path,
    text: `# The host of this machine: every key may be left out, and \`systemctl reload usbferry\` reads it again.
# What is shared: what was bound (usbferry bind DEV), and what is named here.
# devices: [1-2]
# gadgets: [keyboard]
# Where clients connect, beside loopback only with a rule that lets them in (usbferry policy add).
# listen: ["tcp:127.0.0.1:3240"]
log: { default: info }
`,
  };
}
