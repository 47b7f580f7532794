import { printAddress } from "../links/address.ts";
import { dial } from "../links/dial.ts";
import type { Link } from "../links/link.ts";
import type { LinkAddress } from "../links/listen.ts";
import { DeviceImportRequest, ImportRefusal } from "../usbip/device-import.ts";
import type { DeviceRecordValue } from "../usbip/pdu.ts";
import { speedOfCode } from "../usbip/speed-code.ts";
import type { Vhci } from "../vhci/vhci.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Failed } from "./failure.ts";
import { Refused, refusal } from "./host-conversation.ts";

const ANSWER_MS = 10_000;

/**
 * Imports a device and gives the very socket to the kernel, as the stock tool does; tells the port. Everything
 * from the import reply to the end of the link happens in one turn: a byte of the URB phase that this process
 * had read would be lost to the kernel.
 */
export async function attachDirectly(place: LinkAddress, busid: string, vhci: Vhci): Promise<number> {
  const address = printAddress(place);
  const link = await dial(place);
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new Failed(
            `${address} did not give ${busid}: it was silent for ${ANSWER_MS / 1_000} s. Check the host.`,
          ),
        );
      }, ANSWER_MS);
      const request = new DeviceImportRequest(busid, (answer, rest) => {
        clearTimeout(timer);
        try {
          resolve(handOver(link, answered(answer, busid, address), rest, vhci));
        } catch (error) {
          reject(error);
        }
        link.destroy();
      });
      link.start(
        (bytes) => request.receive(bytes),
        () => request.ended(),
      );
      link.write([request.request], () => {});
    });
  } finally {
    link.destroy();
  }
}

function answered(
  answer: DeviceRecordValue | ImportRefusal | ProtocolError,
  busid: string,
  address: string,
): DeviceRecordValue {
  if (answer instanceof ImportRefusal) throw new Refused(refusal(busid, answer.status, address));
  if (answer instanceof ProtocolError) {
    throw new Failed(
      `${address} did not give ${busid}: ${answer.toString()}. Check that a USB/IP host listens there.`,
    );
  }
  return answer;
}

function handOver(link: Link, record: DeviceRecordValue, rest: Uint8Array, vhci: Vhci): number {
  const speed = speedOfCode(record.speed);
  const { descriptor } = link;
  if (rest.length > 0)
    throw new Failed(`${link.peer} sends ${rest.length} bytes unasked. It is no USB/IP host.`);
  if (speed === undefined) {
    throw new Failed(
      `${link.peer} gives speed ${record.speed}, which no kernel takes. Attach it without --direct to see more.`,
    );
  }
  if (descriptor === undefined) {
    throw new Failed(`the kernel cannot take over ${link.peer}. Attach it without --direct.`);
  }
  return vhci.attach(descriptor, ((record.busnum << 16) | (record.devnum & 0xffff)) >>> 0, speed);
}
