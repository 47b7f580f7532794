import type { Loop } from "../../usb/loop.ts";
import { readDeviceChoice } from "../device-choice.ts";
import { dialPlace } from "../place.ts";
import { RemoteHosts } from "../remote-hosts.ts";
import { RemoteSearch } from "../remote-search.ts";
import { UNPLUGGED } from "../session-end.ts";
import type { StateFolder } from "../state/state-folder.ts";
import { Trust } from "../trust.ts";
import type { OpenedSource } from "./device-source.ts";

/** A device of another host: `DEV@ADDR`. */
export interface DistantName {
  readonly device: string;
  readonly address: string;
}

/** Nothing if that names no other host: no bus id and no VID:PID has this character, and serial numbers hardly ever. */
export function readDistantName(text: string): DistantName | undefined {
  const at = text.lastIndexOf("@");
  return at < 0 ? undefined : { device: text.slice(0, at), address: text.slice(at + 1) };
}

/** Imports devices of other hosts. */
export class DistantSources {
  readonly #hosts: RemoteHosts;
  readonly #loop: Loop;

  constructor(loop: Loop, folder: StateFolder) {
    this.#loop = loop;
    this.#hosts = new RemoteHosts(loop, new Trust(folder));
  }

  /** Rejects with WrongUsage, Failed or a LinkError. */
  async open({ device, address }: DistantName, signal: AbortSignal): Promise<OpenedSource> {
    const choice = readDeviceChoice(device);
    const place = dialPlace(address);
    const search = new RemoteSearch(place, this.#hosts, this.#loop, signal);
    const ready = await search.import(choice);
    const { remote } = ready;
    return {
      name: `${remote.record.busid}@${address}`,
      device: ready.device,
      close: async () => {
        remote.close(UNPLUGGED);
        await remote.ended;
      },
    };
  }
}
