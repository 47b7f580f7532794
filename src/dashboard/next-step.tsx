import type { JSX } from "preact";
import type { HostState } from "./api.ts";
import { CommandLine } from "./command.tsx";
import { deviceName } from "./device-words.ts";

interface NextStepProps {
  readonly state: HostState;
  readonly onPlug: () => void;
}

/** What a person does next, until a guest has a device. */
export function NextStep({ state, onPlug }: NextStepProps): JSX.Element | null {
  const { devices } = state;
  if (devices.some((device) => device.state === "attached")) return null;
  const free = devices.find((device) => device.state === "free");
  if (free === undefined) {
    const isThereOne = devices.some(({ state: own }) => own === "not-shared" || own === "in-use");
    return (
      <section class="next" aria-labelledby="next-step">
        <h2 id="next-step">Next: share a device</h2>
        <ol>
          <li>
            {isThereOne
              ? "Choose a device below and press Share."
              : "Plug a USB device in, and press Share beside it."}{" "}
            It stays shared when it is unplugged and when this machine restarts.
          </li>
          <li>Take it in a guest: a virtual machine, WSL, a container host or another computer.</li>
        </ol>
        <p>
          Nothing at hand?{" "}
          <button type="button" class="link" onClick={onPlug}>
            Plug in a simulated keyboard
          </button>{" "}
          and try with that.
        </p>
      </section>
    );
  }
  return (
    <section class="next" aria-labelledby="next-step">
      <h2 id="next-step">Next: take {deviceName(free)} in a guest</h2>
      <p>In the guest, where usbferry is installed:</p>
      {attachCommands(state, free.busid).map((command) => (
        <CommandLine key={command} text={command} />
      ))}
    </section>
  );
}

/** How a guest takes it, over the first address where it can. */
export function attachCommands({ addresses, guests }: HostState, busid: string): readonly string[] {
  const [address] = addresses;
  if (address === undefined) {
    return guests.length === 0
      ? []
      : [`sudo usbferry attach --listen ${guests[0]!.replace(/^(wslusb\+)?tcp:.*:/, "$1tcp:")} ${busid}`];
  }
  return [`sudo modprobe vhci-hcd`, `sudo usbferry attach ${address} ${busid}`];
}
