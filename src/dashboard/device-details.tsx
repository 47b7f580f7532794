import type { JSX } from "preact";
import type { Device } from "./api.ts";
import { CommandLine } from "./command.tsx";
import { LiveFigures } from "./device-figures.tsx";
import { classWords, speedWords } from "./device-words.ts";
import { attachCommands } from "./next-step.tsx";
import { NicknameForm } from "./nickname-form.tsx";
import { clock, eventWords, isTrouble } from "./state-words.ts";
import { useDesk } from "./use-host.ts";

/** Everything the host knows of a device. */
export function DeviceDetails({ device }: { readonly device: Device }): JSX.Element {
  const { host } = useDesk();
  const troubles = host.events
    .filter((event) => event.device?.busid === device.busid && isTrouble(event))
    .slice(0, 3);
  const commands =
    device.state === "free" && host.state !== undefined ? attachCommands(host.state, device.busid) : [];
  return (
    <div class="details">
      {device.state === "attached" && <LiveFigures busid={device.busid} />}
      <dl>
        {factsOf(device).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <NicknameForm device={device} />
      {commands.length > 0 && (
        <>
          <h4>Take it in a guest</h4>
          {commands.map((command) => (
            <CommandLine key={command} text={command} />
          ))}
        </>
      )}
      {troubles.length > 0 && (
        <>
          <h4>What went wrong last</h4>
          <ul class="plain">
            {troubles.map((event) => (
              <li key={event.sequence}>
                <time dateTime={event.time}>{clock(event.time)}</time> {eventWords(event)}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function factsOf(device: Device): readonly (readonly [string, string])[] {
  const {
    busid,
    vid,
    pid,
    bcdDevice,
    speed,
    manufacturer,
    product,
    serial,
    name,
    drivers,
    because,
    peer,
    session,
  } = device;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["Bus id", busid],
    ["Kind", classWords(device)],
    ["Speed", `${speed} (${speedWords(speed)})`],
    ["Manufacturer", manufacturer],
    ["Product", product],
    ["Serial number", serial],
    ["USB IDs", vid === undefined ? undefined : `${vid}:${pid}${name === undefined ? "" : `, ${name}`}`],
    [
      "Release",
      bcdDevice === undefined ? undefined : `${Number(bcdDevice.slice(0, 2))}.${bcdDevice.slice(2)}`,
    ],
    ["Drivers here", drivers === undefined || drivers.length === 0 ? undefined : drivers.join(", ")],
    ["Shared because", because === "bound" ? "you share it (bound)" : because],
    ["In use by", peer],
    ["Session", session],
  ];
  return facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
}
