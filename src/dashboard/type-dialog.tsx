import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, type Device } from "./api.ts";
import { deviceName } from "./device-words.ts";
import { Dialog } from "./dialog.tsx";
import { useAct } from "./use-host.ts";

interface TypeDialogProps {
  readonly device: Device;
  readonly onClose: () => void;
}

/** Types a text into the guest that has the keyboard. */
export function TypeDialog({ device, onClose }: TypeDialogProps): JSX.Element {
  const [text, setText] = useState("");
  const [withEnter, setWithEnter] = useState(true);
  const act = useAct();
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const keys = withEnter ? `${text}\n` : text;
    const path = `/v1/gadgets/${encodeURIComponent(device.busid)}/text`;
    const isTyped = await act(async () => {
      await ask("POST", path, { text: keys });
      return `Typed ${keys.length} ${keys.length === 1 ? "key" : "keys"} on ${device.busid}.`;
    });
    if (isTyped) setText("");
  };
  return (
    <Dialog title={`Type on ${deviceName(device)} (${device.busid})`} onClose={onClose}>
      <form onSubmit={(event) => void send(event)}>
        <label for="typed-text">Text, of a US keyboard</label>
        <textarea
          id="typed-text"
          rows={4}
          maxLength={8_000}
          required={!withEnter}
          spellcheck={false}
          autocapitalize="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <label class="choice">
          <input
            type="checkbox"
            checked={withEnter}
            onChange={(event) => setWithEnter(event.currentTarget.checked)}
          />
          Press Enter behind it
        </label>
        <div class="actions">
          <button type="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" class="primary">
            Type it
          </button>
        </div>
      </form>
    </Dialog>
  );
}
