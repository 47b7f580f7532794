import { type DeviceChoice, someOf } from "../device-choice.ts";
import type { HostDevice } from "./host-devices.ts";

/** What a wish may mean, and what it has learned of the devices that a host has. */
export interface Wished {
  /** The faces of one board: whichever of them is there is meant, the first of them first. */
  readonly choices: readonly DeviceChoice[];
  /** Devices that look alike and are others: they have another serial number, or were there beside the right one. */
  readonly others: { has(device: HostDevice): boolean };
  /** The bus id that it had the last time. */
  readonly lastBusid: string | undefined;
}

/** The one device to take now, or why there is none, for a person. */
export function wishedDevice(devices: Iterable<HostDevice>, wished: Wished): HostDevice | string {
  const all = Array.from(devices);
  const reasons: string[] = [];
  for (const choice of wished.choices) {
    const isNamed = choice.by === "busid";
    const meant = all.filter((device) => mayBe(device, choice) && (isNamed || !wished.others.has(device)));
    const allFree = meant.filter(({ facts }) => facts.isFree);
    const free = choice.by === "serial" ? knownFirst(allFree) : allFree;
    const [first, ...more] = free;
    // Where several look alike another board would do, and be the wrong one. Those that have to be asked will tell.
    const isAsked = choice.by === "serial" && first?.facts.serial === undefined;
    const isSure = more.length === 0 || isAsked;
    const known = isSure ? first : free.find(({ facts }) => facts.busid === wished.lastBusid);
    if (known !== undefined) return known;
    if (first !== undefined) {
      const busids = someOf(free.map(({ facts }) => facts.busid));
      reasons.push(
        `the host has ${free.length} such devices: name one by its bus id (${busids}) or serial number`,
      );
    } else if (meant.length > 0) {
      reasons.push("somebody else has the device");
    }
  }
  return reasons[0] ?? "the host has no such device at this moment";
}

/** Whether a device that is imported under a bus id is still one that is meant. */
export function isMeant(
  record: { readonly busid: string; readonly idVendor: number; readonly idProduct: number },
  choices: readonly DeviceChoice[],
): boolean {
  return choices.some((choice) =>
    choice.by === "busid"
      ? choice.busid === record.busid
      : choice.idVendor === record.idVendor && choice.idProduct === record.idProduct,
  );
}

/** The serial number that a device with these numbers has to have, if one is asked for and nothing weaker will do. */
export function serialOf(
  record: { readonly busid: string; readonly idVendor: number; readonly idProduct: number },
  choices: readonly DeviceChoice[],
): readonly string[] | undefined {
  const meant = choices.filter((choice) => isMeant(record, [choice]));
  const serials = meant.flatMap((choice) => (choice.by === "serial" ? [choice.serial] : []));
  return serials.length === meant.length ? serials : undefined;
}

/** Those alone whose serial number the host tells, if there are some. */
function knownFirst(devices: readonly HostDevice[]): readonly HostDevice[] {
  const known = devices.filter(({ facts }) => facts.serial !== undefined);
  return known.length > 0 ? known : devices;
}

function mayBe({ facts }: HostDevice, choice: DeviceChoice): boolean {
  if (!isMeant(facts, [choice])) return false;
  return choice.by !== "serial" || facts.serial === undefined || facts.serial === choice.serial;
}
