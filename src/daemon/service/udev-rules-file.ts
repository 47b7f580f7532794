import { UDEV_RULES } from "../hardware/udev-rule.ts";
import { MARK, type ServiceFile } from "./service-file.ts";

/** Gives all USB devices to a group, whose members share them without being root. */
export function udevRulesFile(group: string): ServiceFile {
  return {
    path: UDEV_RULES,
    text: `# ${MARK}
# Whoever is of this group has all USB devices of this machine, keyboards and disks among them.
SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", MODE="0660", GROUP="${group}"
`,
  };
}
