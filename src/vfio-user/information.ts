/** What a client asks before it starts. Each writes its answer into `reply`, and answers a number of an error. */
import { constants } from "node:os";
import {
  DeviceFlag,
  DeviceInfo,
  IrqIndex,
  IrqInfo,
  IrqInfoFlag,
  RegionFlag,
  RegionIndex,
  RegionInfo,
} from "./messages.ts";
import type { PciFunction } from "./pci-function.ts";

const { EINVAL } = constants.errno;
const DONE = 0;

export function tellDevice(reply: Uint8Array, at: number): number {
  const value = {
    argsz: DeviceInfo.size,
    flags: DeviceFlag.reset | DeviceFlag.pci,
    num_regions: RegionIndex.count,
    num_irqs: IrqIndex.count,
  };
  DeviceInfo.encodeInto(value, reply, at);
  return DONE;
}

/** Nothing can be mapped: QEMU would then wait for the end of each write to the rest. */
export function tellRegion(pciFunction: PciFunction, index: number, reply: Uint8Array, at: number): number {
  const length = pciFunction.regionBytes(index);
  const value = {
    argsz: RegionInfo.size,
    flags: length > 0 ? RegionFlag.read | RegionFlag.write : 0,
    index,
    cap_offset: 0,
    length,
    offset: 0,
  };
  RegionInfo.encodeInto(value, reply, at);
  return index < RegionIndex.count ? DONE : EINVAL;
}

export function tellIrqs(pciFunction: PciFunction, index: number, reply: Uint8Array, at: number): number {
  const isMsix = index === IrqIndex.msix;
  const value = {
    argsz: IrqInfo.size,
    flags: isMsix ? IrqInfoFlag.eventfd | IrqInfoFlag.noResize : 0,
    index,
    count: isMsix ? pciFunction.vectors.count : 0,
  };
  IrqInfo.encodeInto(value, reply, at);
  // Of errors QEMU wants one vector or a refusal, and warns of anything else.
  return index < IrqIndex.count && index !== IrqIndex.error ? DONE : EINVAL;
}
