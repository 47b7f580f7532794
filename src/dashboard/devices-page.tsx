import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Device, HostState, WantedDevice } from "./api.ts";
import { ask, type Unbound } from "./api.ts";
import { DeviceRow } from "./device-row.tsx";
import { type Branch, treeOf } from "./device-tree.ts";
import { wantedName } from "./device-words.ts";
import { Icon } from "./icon.tsx";
import { NextStep } from "./next-step.tsx";
import { PlugDialog } from "./plug-dialog.tsx";
import { useAct } from "./use-host.ts";

export function DevicesPage({ state }: { readonly state: HostState }): JSX.Element {
  const [isPlugging, setPlugging] = useState(false);
  const plug = (): void => setPlugging(true);
  const gadgets = state.devices.filter(({ gadget }) => gadget !== undefined);
  const hardware = state.devices.filter(({ gadget }) => gadget === undefined);
  const absent = state.binds.filter(({ busids }) => busids.length === 0);
  return (
    <>
      <div class="heading">
        <h1>Devices</h1>
        <button type="button" onClick={plug}>
          <Icon name="plus" />
          Plug in a simulated device
        </button>
      </div>
      <NextStep state={state} onPlug={plug} />
      <section aria-labelledby="of-this-machine">
        <h2 id="of-this-machine">Plugged into this machine</h2>
        {hardware.length === 0 ? (
          <p class="empty">
            No device is plugged in, or the host does not see any. Plug one in: it appears here by itself.
          </p>
        ) : (
          <Branches branches={treeOf(hardware)} />
        )}
        {absent.length > 0 && <AbsentDevices binds={absent} />}
      </section>
      <section aria-labelledby="simulated">
        <h2 id="simulated">Simulated</h2>
        {gadgets.length === 0 ? (
          <p class="empty">
            None yet. A simulated keyboard types into a guest; a simulated disk shows it an image file.
          </p>
        ) : (
          <Devices devices={gadgets} />
        )}
      </section>
      {isPlugging && <PlugDialog onClose={() => setPlugging(false)} />}
    </>
  );
}

function Branches({ branches }: { readonly branches: readonly Branch[] }): JSX.Element {
  return (
    <ul class="devices">
      {branches.map(({ device, below }) => (
        <li key={device.busid}>
          <DeviceRow device={device} />
          {below.length > 0 && <Branches branches={below} />}
        </li>
      ))}
    </ul>
  );
}

function Devices({ devices }: { readonly devices: readonly Device[] }): JSX.Element {
  return <Branches branches={devices.map((device) => ({ device, below: [] }))} />;
}

/** Bound, and not plugged in. */
function AbsentDevices({ binds }: { readonly binds: readonly WantedDevice[] }): JSX.Element {
  const act = useAct();
  const forget = (wanted: WantedDevice): Promise<boolean> =>
    act(async () => {
      await ask<Unbound>("POST", "/v1/unbind", {
        device: wanted.busid ?? wanted.device,
      });
      return `${wantedName(wanted)} is not shared when it comes.`;
    });
  return (
    <>
      <h3>Shared as soon as it is plugged in</h3>
      <ul class="devices">
        {binds.map((wanted) => (
          <li key={wanted.device}>
            <div class="absent">
              <p>
                <strong>{wantedName(wanted)}</strong> <span class="quiet">{wanted.device}</span>
              </p>
              {wanted.by === "bind" && (
                <button type="button" onClick={() => void forget(wanted)}>
                  Forget<span class="unseen"> {wantedName(wanted)}</span>
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}
