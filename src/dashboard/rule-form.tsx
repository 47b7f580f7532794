import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, type Device, type Rule } from "./api.ts";
import { deviceName } from "./device-words.ts";
import { useAct } from "./use-host.ts";

const ACTIONS = [
  { value: "allow", words: "Allow" },
  { value: "deny", words: "Deny" },
  { value: "auto-bind", words: "Share whenever it is plugged in" },
] as const;

/** Kinds of device that people name; the words of `class=`. */
const KINDS = ["", "keyboard", "mouse", "mass-storage", "audio", "video", "printer", "smart-card"];

/** Makes a rule of its parts; the text that comes of it can be changed. */
export function RuleForm({ devices }: { readonly devices: readonly Device[] }): JSX.Element {
  const [action, setAction] = useState<string>("allow");
  const [device, setDevice] = useState("");
  const [kind, setKind] = useState("");
  const [client, setClient] = useState("");
  const [typed, setTyped] = useState<string | undefined>();
  const act = useAct();
  const isAboutClients = action !== "auto-bind";
  const built = [
    action,
    device !== "" && `device=${device}`,
    kind !== "" && `class=${kind}`,
    isAboutClients && client.trim() !== "" && `client=${client.trim()}`,
  ]
    .filter((part) => part !== false)
    .join(" ");
  const rule = typed ?? built;
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const isAdded = await act(async () => {
      const { id } = await ask<Rule>("POST", "/v1/rules", { rule });
      return `Rule ${id} holds from now on.`;
    });
    if (isAdded) setTyped(undefined);
  };
  const choose =
    (set: (value: string) => void) => (event: { readonly currentTarget: { readonly value: string } }) => {
      set(event.currentTarget.value);
      setTyped(undefined);
    };
  const ids = new Map(devices.map((each) => [`${each.vid}:${each.pid}`, deviceName(each)]));
  return (
    <section aria-labelledby="new-rule">
      <h2 id="new-rule">Add a rule</h2>
      <form class="rule" onSubmit={(event) => void add(event)}>
        <div>
          <label for="rule-action">What</label>
          <select id="rule-action" value={action} onChange={choose(setAction)}>
            {ACTIONS.map(({ value, words }) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for="rule-device">Device</label>
          <select id="rule-device" value={device} onChange={choose(setDevice)}>
            <option value="">any</option>
            {Array.from(ids, ([id, name]) => (
              <option key={id} value={id}>
                {`${name} (${id})`}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for="rule-kind">Kind</label>
          <select id="rule-kind" value={kind} onChange={choose(setKind)}>
            {KINDS.map((each) => (
              <option key={each} value={each}>
                {each === "" ? "any" : each.replace("-", " ")}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for="rule-client">Guest</label>
          <input
            id="rule-client"
            type="text"
            placeholder="192.168.7.0/24"
            spellcheck={false}
            disabled={!isAboutClients}
            value={client}
            onInput={choose(setClient)}
          />
        </div>
        <div class="whole">
          <label for="rule-text">The rule</label>
          <input
            id="rule-text"
            type="text"
            class="code"
            spellcheck={false}
            required
            maxLength={1_024}
            value={rule}
            onInput={(event) => setTyped(event.currentTarget.value)}
            aria-describedby="rule-about"
          />
          <p id="rule-about" class="quiet">
            It may have more conditions: serial=, busid=, link=. A new rule is asked last.
          </p>
        </div>
        <div class="actions">
          <button type="submit" class="primary">
            Add the rule
          </button>
        </div>
      </form>
    </section>
  );
}
