import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import type { HardwareDevice } from "../../../src/hardware/hardware-device.ts";
import { Speed } from "../../../src/usb/speed.ts";

const DEVICES = "/sys/bus/usb/devices";
const SPEEDS: Readonly<Record<string, Speed>> = {
  "1.5": Speed.low,
  "12": Speed.full,
  "480": Speed.high,
  "5000": Speed.super,
  "10000": Speed.superPlus,
};

/** A device of the guest's kernel, by its name in sysfs. */
export function readHardware(busid: string): HardwareDevice {
  const path = realpathSync(join(DEVICES, busid));
  const text = (name: string): string => readFileSync(join(path, name), "utf8").trim();
  const optional = (name: string): string | undefined => {
    try {
      return text(name);
    } catch {
      return undefined;
    }
  };
  const [busnum, devnum] = [Number(text("busnum")), Number(text("devnum"))];
  const serial = optional("serial");
  const product = optional("product");
  return {
    busid,
    busnum,
    devnum,
    path,
    node: `/dev/bus/usb/${digits(busnum)}/${digits(devnum)}`,
    speed: SPEEDS[text("speed")]!,
    descriptors: new Uint8Array(readFileSync(join(path, "descriptors"))),
    configuration: Number(optional("bConfigurationValue") ?? 0),
    ...(product !== undefined && { product }),
    ...(serial !== undefined && { serial }),
    interfaces: readInterfaces(path),
  };
}

/** Who has which interface. */
export function readInterfaces(path: string): HardwareDevice["interfaces"] {
  return readdirSync(path)
    .filter((name) => /:\d+\.\d+$/.test(name))
    .map((name) => {
      const number = Number.parseInt(readFileSync(join(path, name, "bInterfaceNumber"), "utf8"), 16);
      try {
        return { number, driver: basename(readlinkSync(join(path, name, "driver"))) };
      } catch {
        return { number };
      }
    });
}

function digits(number: number): string {
  return String(number).padStart(3, "0");
}

/** Drivers of its interfaces, in the order of their numbers; "" where there is none. */
export function driversOf(busid: string): string[] {
  return Array.from(readHardware(busid).interfaces)
    .toSorted((a, b) => a.number - b.number)
    .map(({ driver = "" }) => driver);
}
