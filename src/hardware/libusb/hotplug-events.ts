import { existsSync } from "node:fs";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import { HOTPLUG_ANY, HOTPLUG_EVENTS, LibusbCapability } from "./abi.ts";
import type { Libusb } from "./library.ts";
import { pollDescriptors, watchDescriptors } from "./poll-descriptors.ts";

/** libusb_hotplug_callback_fn */
const CALLBACK = "int LibusbHotplugCallback(uintptr_t context, uintptr_t device, int event, uintptr_t data)";
const GO_ON = 0;
const AT_ONCE = new Int32Array(4);

/** There where udev runs, which alone tells libusb of devices on Linux as distributions build it. */
const UDEV = "/run/udev/control";

/**
 * libusb tells that something was plugged in or out: its callback runs on the thread of the loop, inside of the call that has libusb
 * work. Nothing where libusb cannot tell, or not on that thread.
 */
export function followHotplug(library: Libusb, loop: Loop, happened: () => void): Cancellable | undefined {
  if (library.hasCapability(LibusbCapability.HAS_HOTPLUG) === 0) return undefined;
  if (process.platform === "linux" && !existsSync(UDEV)) return undefined;
  const out = new BigUint64Array(1);
  if (library.init(out) !== 0) return undefined;
  const context = Number(out[0]);
  const descriptors = pollDescriptors(library, context);
  if (descriptors === undefined) {
    library.exit(context);
    return undefined;
  }
  const { address, free } = library.memory.callback(CALLBACK, () => {
    happened();
    return GO_ON;
  });
  const handle = new Int32Array(1);
  const any = HOTPLUG_ANY;
  const failed = library.hotplugRegisterCallback(
    context,
    HOTPLUG_EVENTS,
    0,
    any,
    any,
    any,
    address,
    0,
    handle,
  );
  const watching = watchDescriptors(descriptors, loop, () => {
    library.handleEvents(context, AT_ONCE, null);
  });
  const cancel = (): void => {
    watching.cancel();
    library.exit(context);
    free();
  };
  if (failed === 0) return { cancel };
  cancel();
  return undefined;
}
