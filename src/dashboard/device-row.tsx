import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import type { Device } from "./api.ts";
import { DeviceActions } from "./device-actions.tsx";
import { DeviceDetails } from "./device-details.tsx";
import { DeviceRates } from "./device-rates.tsx";
import { deviceIcon, deviceName, speedWords } from "./device-words.ts";
import { Icon } from "./icon.tsx";
import { guestOf, stateWords } from "./state-words.ts";
import { useDesk } from "./use-host.ts";

/** One device: what it is, who has it, what can be done; more behind its name. */
export function DeviceRow({ device }: { readonly device: Device }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const details = useId();
  const nickname = useDesk().host.nicknameOf(device);
  const { words, tone } = stateWords(device);
  const { busid, vid = "????", pid = "????", speed, peer } = device;
  return (
    <article class={`device is-${tone}`} aria-label={deviceName(device)}>
      <div class="line">
        <Icon name={deviceIcon(device)} />
        <div class="what">
          <h3>
            <button
              type="button"
              class="name"
              aria-expanded={isOpen}
              aria-controls={details}
              onClick={() => setOpen(!isOpen)}
            >
              {deviceName(device)}
              <Icon name="chevron" />
            </button>
            {nickname !== undefined && <span class="tag">{nickname}</span>}
          </h3>
          <p class="quiet facts">
            <span>{busid}</span> <span>{`${vid}:${pid}`}</span> <span>{speedWords(speed)}</span>
          </p>
        </div>
        <p class="state">
          <span class="dot" aria-hidden="true" />
          <span>{peer === undefined ? words : `In use by ${guestOf(peer)}`}</span>
          {device.state === "attached" && <DeviceRates busid={busid} />}
        </p>
        <DeviceActions device={device} />
      </div>
      {device.obstacle !== undefined && <p class="obstacle">{device.obstacle}</p>}
      <div id={details} hidden={!isOpen}>
        {isOpen && <DeviceDetails device={device} />}
      </div>
    </article>
  );
}
