import type { Attachment } from "./attachment.ts";
import type { InputEvent } from "./guest/evdev.ts";
import type { Guest } from "./guest.ts";

/** include/uapi/linux/input-event-codes.h */
const EV_KEY = 1;
/** The kernel's own, for a key that is down for 250 ms: on a busy machine its release is on the way for so long. */
const AUTOREPEAT = 2;

/** What an attached HID device reports through evdev, from the moment this resolves. */
export async function inputEvents(
  guest: Guest,
  { sysfsName }: Pick<Attachment, "sysfsName">,
): Promise<{ readonly events: readonly InputEvent[]; stop: () => void }> {
  await guest.loadModule("usbhid", "hid-generic", "evdev");
  const input = `/sys/bus/usb/devices/${sysfsName}/*:*/*/input/input*/event*`;
  await guest.waitFor("an input device", `ls -d ${input}`);
  const path = `/dev/input/${(await guest.shell(`basename ${input}`)).trim()}`;
  const events: InputEvent[] = [];
  let ready = false;
  const reader = await guest.spawn(guest.nodeProgram("test/vm/guest/evdev.js", path), (line, _, source) => {
    if (source === "stderr") return;
    const event: InputEvent & { ready?: boolean } = JSON.parse(line);
    if (event.ready === true) ready = true;
    else if (event.type !== EV_KEY || event.value !== AUTOREPEAT) events.push(event);
  });
  await guest.waitFor("the reader to be ready", () => ready);
  return { events, stop: () => void reader.kill("SIGKILL") };
}
