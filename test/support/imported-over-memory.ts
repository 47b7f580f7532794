import type { UsbDevice } from "../../src/usb/device.ts";
import { DeviceImportRequest, ImportRefusal } from "../../src/usbip/device-import.ts";
import { ImportedDevice } from "../../src/usbip/imported-device.ts";
import { UsbipServer } from "../../src/usbip/server.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import type { ManualLoop } from "./manual-loop.ts";
import { Pieces } from "./pieces.ts";

/** Exports a device with the server engine and imports it with the client's, without a socket between. */
export function importedOverMemory(device: UsbDevice, loop: ManualLoop): ImportedDevice {
  const exported = { busid: "1-2", path: "/x", busnum: 1, devnum: 2, device, attached: false };
  let imported: ImportedDevice | ProtocolError | undefined;
  const toClient = new Pieces(loop, (bytes) => {
    if (imported instanceof ImportedDevice) imported.receive(bytes);
    else request.receive(bytes);
  });
  const server = new UsbipServer({ devices: () => [exported], find: () => exported }, loop, {
    write: (chunks, written) => toClient.write(chunks, written),
    // Behind the answers that are still on their way.
    end: () => loop.soon(() => server.disconnected(() => (imported as ImportedDevice).disconnected())),
    imported: () => {},
  });
  const toServer = new Pieces(loop, (bytes) => server.receive(bytes));
  const output = {
    write: (chunks: readonly Uint8Array[], written: () => void) => toServer.write(chunks, written),
    end: (error: ProtocolError) => {
      throw new Error(error.toString());
    },
  };
  const request = new DeviceImportRequest("1-2", (answer) => {
    if (answer instanceof ImportRefusal || answer instanceof ProtocolError) throw new Error("refused");
    imported = ImportedDevice.of(answer, loop, output);
  });
  toServer.write([request.request], () => {});
  loop.settle();
  if (!(imported instanceof ImportedDevice)) throw new Error(`no device: ${String(imported)}`);
  let described = false;
  imported.describe((failed) => {
    if (failed !== undefined) throw new Error(failed.toString());
    described = true;
  });
  loop.settle();
  if (!described) throw new Error("the device did not describe itself");
  return imported;
}
