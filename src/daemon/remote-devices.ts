import { printAddress } from "../links/address.ts";
import { dial } from "../links/dial.ts";
import type { LinkAddress } from "../links/listen.ts";
import { DeviceListRequest, type ListedDevice } from "../usbip/device-list.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Failed } from "./failure.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import { remotePlace } from "./place.ts";
import { RemoteHosts } from "./remote-hosts.ts";
import { StateFolder } from "./state/state-folder.ts";
import { Trust } from "./trust.ts";

export type { ListedDevice } from "../usbip/device-list.ts";

const ANSWER_MS = 10_000;

/** The devices that a host shares; rejects with WrongUsage, Failed or a LinkError. */
export async function listRemoteDevices(
  text: string,
  answerMs = ANSWER_MS,
): Promise<readonly ListedDevice[]> {
  const place = remotePlace(text);
  const trust = new Trust(new StateFolder());
  if (place.protocol === "wslusb" || place.kind === "ring-pci") {
    const host = await new RemoteHosts(new LibuvLoop(), trust).open(place);
    try {
      return await host.list();
    } finally {
      host.close();
    }
  }
  const link = await dial(place, { trust });
  return new Promise((resolve, reject) => {
    const failed = (reason: string) => {
      reject(new Failed(`${printAddress(place)} did not list its devices: ${reason} ${nextStep(place)}`));
    };
    const timer = setTimeout(() => finish(`it was silent for ${answerMs / 1_000} s.`), answerMs);
    const finish = (result: readonly ListedDevice[] | string) => {
      clearTimeout(timer);
      link.destroy();
      if (typeof result === "string") failed(result);
      else resolve(result);
    };
    const list = new DeviceListRequest((answer) => {
      finish(answer instanceof ProtocolError ? `${answer.message} (${answer.code}).` : answer);
    });
    link.start(
      (bytes) => list.receive(bytes),
      (cause) => {
        if (cause === undefined) list.ended();
        else finish(cause.message);
      },
    );
    link.write([list.request], () => {});
  });
}

function nextStep(place: LinkAddress): string {
  const check = "path" in place ? "the path" : `port ${place.port}`;
  return `Check that a USB/IP host listens there and that ${check} is right.`;
}
