import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, type HostState, type Session } from "./api.ts";
import { deviceName } from "./device-words.ts";
import { Question } from "./dialog.tsx";
import { bytesWords } from "./figure-words.ts";
import { ago, guestOf } from "./state-words.ts";
import { useAct } from "./use-host.ts";

/** Who is connected, and with what. */
export function GuestsPage({ state }: { readonly state: HostState }): JSX.Element {
  const guests = new Map<string, Session[]>();
  for (const session of state.sessions) {
    const guest = guestOf(session.peer);
    guests.set(guest, [...(guests.get(guest) ?? []), session]);
  }
  return (
    <>
      <h1>Guests</h1>
      {guests.size === 0 && <p class="empty">No guest is connected.</p>}
      {Array.from(guests, ([guest, sessions]) => (
        <section key={guest} class="guest" aria-label={guest}>
          <h2>{guest}</h2>
          <ul class="sessions">
            {sessions.map((session) => (
              <SessionLine key={session.id} session={session} state={state} />
            ))}
          </ul>
        </section>
      ))}
      <section aria-labelledby="places">
        <h2 id="places">Where guests find this host</h2>
        <ul class="plain places">
          {state.addresses.map((address) => (
            <li key={address}>
              <code>{address}</code> <span class="quiet">{reachOf(address)}</span>
            </li>
          ))}
          {state.guests.map((address) => (
            <li key={address}>
              <code>{address}</code>{" "}
              <span class="quiet">is dialled: a guest that waits there gets the devices</span>
            </li>
          ))}
        </ul>
        <p class="quiet">
          Others than this machine need a rule that allows them something, and an address to come to:{" "}
          <code>usbferry serve --listen</code>.
        </p>
      </section>
    </>
  );
}

function SessionLine({
  session,
  state,
}: {
  readonly session: Session;
  readonly state: HostState;
}): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const act = useAct();
  const { id, peer, since, device, counters } = session;
  const known = state.devices.find(({ busid }) => busid === device?.busid);
  const name =
    device === undefined ? "No device yet" : known === undefined ? device.busid : deviceName(known);
  const kick = (): Promise<boolean> =>
    act(async () => {
      await ask("DELETE", `/v1/sessions/${id}`);
      return `Session ${id} is over.`;
    });
  return (
    <li>
      <div class="what">
        <p>
          <strong>{name}</strong> <span class="quiet">{device?.busid}</span>
        </p>
        <p class="quiet facts">
          <span>{`session ${id}`}</span> <span>{peer}</span> <span>{`for ${ago(since)}`}</span>{" "}
          {counters !== undefined && (
            <span>{`${bytesWords(counters.bytesIn + counters.bytesOut)} carried`}</span>
          )}
        </p>
      </div>
      <div class="actions">
        <button type="button" onClick={() => setAsking(true)}>
          Disconnect<span class="unseen"> session {id}</span>
        </button>
      </div>
      {isAsking && (
        <Question
          title={`Disconnect ${name}?`}
          text={`${guestOf(peer)} loses it as if the plug was pulled. It may come back: a rule keeps it away.`}
          verb="Disconnect"
          onYes={() => void kick()}
          onClose={() => setAsking(false)}
        />
      )}
    </li>
  );
}

function reachOf(address: string): string {
  if (/^(wslusb\+)?unix:/.test(address)) return "programs of this machine, at a socket";
  if (/:(127\.[\d.]+|\[::1\]|localhost):\d+$/.test(address)) return "this machine alone";
  if (/^(wslusb\+)?(vsock|fc-vsock|hvsocket):/.test(address)) return "virtual machines, as rules allow";
  if (address.startsWith("ring:")) return "programs that share memory with it";
  return "other machines, as rules allow";
}
