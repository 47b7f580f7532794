import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, type Bound, type Device, Refused, type Unbound } from "./api.ts";
import { deviceName, isHub } from "./device-words.ts";
import { Question } from "./dialog.tsx";
import { guestOf } from "./state-words.ts";
import { TypeDialog } from "./type-dialog.tsx";
import { useAct } from "./use-host.ts";

type Asked = "kick" | "unshare" | "unplug" | "type" | { readonly loss: string };

/** What can be done with a device as it is. What takes something from somebody asks first. */
export function DeviceActions({ device }: { readonly device: Device }): JSX.Element {
  const [asked, setAsked] = useState<Asked | undefined>();
  const act = useAct();
  const { busid, state, gadget, because, session, peer } = device;
  const name = deviceName(device);
  const isAttached = state === "attached";
  const whom = peer === undefined ? "the guest that has it" : guestOf(peer);
  const close = (): void => setAsked(undefined);

  const share = (force: boolean): Promise<boolean> =>
    act(async () => {
      try {
        const { warnings } = await ask<Bound>("POST", "/v1/bind", { device: busid, ...(force && { force }) });
        return [`${name} is shared from now on.`, ...warnings].join(" ");
      } catch (error) {
        // The host tells what this machine would lose, and how to insist.
        const loss = error instanceof Refused && /^(.*?)\. If that is meant: /s.exec(error.message)?.[1];
        if (typeof loss !== "string") throw error;
        setAsked({ loss });
        return `${name} is not shared yet: this machine needs it.`;
      }
    });
  const unshare = (): Promise<boolean> =>
    act(async () => {
      const { unbound } = await ask<Unbound>("POST", "/v1/unbind", {
        device: busid,
      });
      const still = unbound.find(({ stillShared }) => stillShared !== undefined)?.stillShared;
      return still === undefined ? `${name} is not shared any more.` : `${name} is still shared: ${still}.`;
    });
  const kick = (): Promise<boolean> =>
    act(async () => {
      await ask("DELETE", `/v1/sessions/${session}`);
      return `${name} was taken from ${whom}.`;
    });
  const unplug = (): Promise<boolean> =>
    act(async () => {
      await ask("DELETE", `/v1/gadgets/${encodeURIComponent(busid)}`);
      return `${name} is unplugged.`;
    });

  return (
    <div class="actions">
      {gadget === "keyboard" && isAttached && (
        <button type="button" onClick={() => setAsked("type")}>
          Type ...<span class="unseen"> on {name}</span>
        </button>
      )}
      {isAttached && session !== undefined && (
        <button type="button" onClick={() => setAsked("kick")}>
          Disconnect<span class="unseen"> {name}</span>
        </button>
      )}
      {gadget !== undefined && (
        <button type="button" onClick={() => (isAttached ? setAsked("unplug") : void unplug())}>
          Unplug<span class="unseen"> {name}</span>
        </button>
      )}
      {gadget === undefined && because === "bound" && (
        <button type="button" onClick={() => (isAttached ? setAsked("unshare") : void unshare())}>
          Stop sharing<span class="unseen"> {name}</span>
        </button>
      )}
      {gadget === undefined &&
        because === undefined &&
        state !== "imported" &&
        !isAttached &&
        !isHub(device) && (
          <button type="button" class="offer" onClick={() => void share(false)}>
            Share<span class="unseen"> {name}</span>
          </button>
        )}
      {asked === "kick" && (
        <Question
          title={`Take ${name} from ${whom}?`}
          text="To the guest it is as if the plug was pulled: what it has not written is lost. It may take the device again, which is free then."
          verb="Disconnect"
          onYes={() => void kick()}
          onClose={close}
        />
      )}
      {asked === "unshare" && (
        <Question
          title={`Stop sharing ${name}?`}
          text={`${whom} loses it as if the plug was pulled, and the drivers of this machine have it back.`}
          verb="Stop sharing"
          onYes={() => void unshare()}
          onClose={close}
        />
      )}
      {asked === "unplug" && (
        <Question
          title={`Unplug ${name}?`}
          text={`${whom} loses it as if the plug was pulled.`}
          verb="Unplug"
          onYes={() => void unplug()}
          onClose={close}
        />
      )}
      {asked === "type" && <TypeDialog device={device} onClose={close} />}
      {typeof asked === "object" && (
        <Question
          title={`Share ${name} all the same?`}
          text={`${asked.loss}.`}
          verb="Share it"
          onYes={() => void share(true)}
          onClose={close}
        />
      )}
    </div>
  );
}
