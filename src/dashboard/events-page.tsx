import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { DeviceEvent, HostState } from "./api.ts";
import { deviceName } from "./device-words.ts";
import { clock, eventName, eventWords, isTrouble } from "./state-words.ts";
import { useDesk } from "./use-host.ts";

const CHOICES = [
  { name: "all", words: "Everything", shows: () => true },
  { name: "trouble", words: "What went wrong", shows: isTrouble },
  {
    name: "guests",
    words: "Who had what",
    shows: ({ kind }: DeviceEvent) => kind === "attached" || kind === "detached",
  },
] as const;

/** What happened, the newest first. */
export function EventsPage({ state }: { readonly state: HostState }): JSX.Element {
  const { host } = useDesk();
  const [name, setName] = useState<string>("all");
  const { shows } = CHOICES.find((choice) => choice.name === name)!;
  const events = host.events.filter(shows);
  const names = new Map(state.devices.map((device) => [device.busid, deviceName(device)]));
  return (
    <>
      <div class="heading">
        <h1>Events</h1>
        <label class="inline">
          Show{" "}
          <select value={name} onChange={(event) => setName(event.currentTarget.value)}>
            {CHOICES.map((choice) => (
              <option key={choice.name} value={choice.name}>
                {choice.words}
              </option>
            ))}
          </select>
        </label>
      </div>
      {events.length === 0 && <p class="empty">Nothing of this kind has happened since the host started.</p>}
      <ol class="events" aria-label="The newest first" reversed>
        {events.map((event) => (
          <li key={event.sequence} class={isTrouble(event) ? "trouble" : event.kind}>
            <time dateTime={event.time}>{clock(event.time)}</time>
            <span class="kind">{eventName(event.kind)}</span>
            <span class="words">
              {eventWords(event, names.get(event.device?.busid ?? ""))}
              {event.code !== undefined && isTrouble(event) && <code>{event.code}</code>}
            </span>
          </li>
        ))}
      </ol>
      <p class="quiet">The host keeps the last 256; its log keeps more.</p>
    </>
  );
}
