import { join } from "node:path";

/** What QEMU emulates the controllers with, where the guest sees them, and the module that drives them. */
export const CONTROLLERS = {
  uhci: { device: "piix3-usb-uhci", address: "10", module: "uhci-hcd" },
  ehci: { device: "usb-ehci", address: "11", module: "ehci-pci" },
  xhci: { device: "qemu-xhci,p2=15,p3=15", address: "12", module: "xhci-pci" },
} as const;
export type ControllerName = keyof typeof CONTROLLERS;

/** The audio backend of loudspeakers, and what it writes. */
export const SOUND = "sound";
export const SOUND_FILE = "sound.wav";

/** QEMU's arguments for the controllers, and for the sound of a loudspeaker. */
export function controllerArguments(controllers: readonly ControllerName[], folder: string): string[] {
  if (controllers.length === 0) return [];
  const sound = `wav,id=${SOUND},path=${join(folder, SOUND_FILE)}`;
  const format = "out.frequency=48000,out.channels=2,out.format=s16";
  const devices = controllers.flatMap((name) => {
    const { device, address } = CONTROLLERS[name];
    return ["-device", `${device},id=${name},addr=${address}`];
  });
  return [...devices, "-audiodev", `${sound},${format}`];
}
