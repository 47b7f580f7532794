import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { ask, type Device } from "./api.ts";
import { useAct, useDesk } from "./use-host.ts";

/** Gives a device a name, by which the command line knows it too. */
export function NicknameForm({ device }: { readonly device: Device }): JSX.Element {
  const { host } = useDesk();
  const given = host.nicknameOf(device);
  const [text, setText] = useState<string | undefined>();
  const act = useAct();
  const id = useId();
  const name = (text ?? given ?? "").trim();
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const isSaved = await act(async () => {
      if (name !== "" && name !== given) {
        await ask("POST", "/v1/nicknames", { name, device: deviceText(device) });
      }
      if (given !== undefined && given !== name) {
        await ask("DELETE", `/v1/nicknames/${encodeURIComponent(given)}`);
      }
      return name === "" ? `${device.busid} has no nickname.` : `${device.busid} is ${name}.`;
    });
    if (isSaved) setText(undefined);
  };
  return (
    <form class="nickname" onSubmit={(event) => void save(event)}>
      <label for={id}>Nickname</label>
      <input
        id={id}
        type="text"
        maxLength={31}
        spellcheck={false}
        value={text ?? given ?? ""}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" disabled={name === (given ?? "")}>
        Save<span class="unseen"> the nickname</span>
      </button>
    </form>
  );
}

/** By its serial number it is known at every port; without one it is what is plugged in there. */
function deviceText({ busid, vid, pid, serial }: Device): string {
  return serial === undefined || vid === undefined ? busid : `${vid}:${pid}:${serial}`;
}
