import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, type GadgetKind, type Plugged, reasonOf } from "./api.ts";
import { gadgetName } from "./device-words.ts";
import { Dialog } from "./dialog.tsx";
import { ImageChooser } from "./image-chooser.tsx";
import { useAct } from "./use-host.ts";

/** The order in which people want them. */
const ORDER = ["keyboard", "mouse", "disk", "serial", "audio", "zero"];

/** Chooses a kind of gadget and its options. */
export function PlugDialog({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const [kinds, setKinds] = useState<readonly GadgetKind[]>([]);
  const [reason, setReason] = useState("");
  const [name, setName] = useState("keyboard");
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const act = useAct();
  useEffect(() => {
    ask<{ readonly kinds: readonly GadgetKind[] }>("GET", "/v1/gadgets/kinds").then(
      ({ kinds: all }) => setKinds(all.toSorted((one, other) => placeOf(one) - placeOf(other))),
      (error: unknown) => setReason(reasonOf(error)),
    );
  }, []);
  const kind = kinds.find((each) => each.name === name);
  const plug = async (event: Event): Promise<void> => {
    event.preventDefault();
    const isPlugged = await act(async () => {
      const { busid, note } = await ask<Plugged>("POST", "/v1/gadgets", {
        gadget: specification(name, values),
      });
      return `${busid} is plugged in and shared.${note === undefined ? "" : ` ${note}.`}`;
    });
    if (isPlugged) onClose();
  };
  const { file: image = "" } = values;
  const set = (option: string, value: string): void => setValues({ ...values, [option]: value });
  return (
    <Dialog title="Plug in a simulated device" onClose={onClose}>
      <form onSubmit={(event) => void plug(event)}>
        {reason !== "" && <p class="wrong">{reason}</p>}
        <label for="kind">Kind</label>
        <select
          id="kind"
          value={name}
          onChange={(event) => {
            setName(event.currentTarget.value);
            setValues({});
          }}
        >
          {kinds.map((each) => (
            <option key={each.name} value={each.name}>
              {gadgetName(each)}
            </option>
          ))}
        </select>
        {kind !== undefined && <p class="quiet">{sentence(kind.summary)}</p>}
        {name === "disk" && <ImageChooser chosen={image} onChoose={(file) => set("file", file)} />}
        {kind !== undefined && (
          <details key={name}>
            <summary>Options</summary>
            {kind.options
              .filter((option) => option.name !== "file")
              .map((option) => (
                <Option key={option.name} option={option} value={values[option.name] ?? ""} onValue={set} />
              ))}
          </details>
        )}
        <div class="actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={kind === undefined}>
            Plug it in
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface OptionProps {
  readonly option: GadgetKind["options"][number];
  readonly value: string;
  readonly onValue: (option: string, value: string) => void;
}

function Option({ option: { name, values, description }, value, onValue }: OptionProps): JSX.Element {
  const id = `option-${name}`;
  if (values === "") {
    return (
      <label class="choice">
        <input
          type="checkbox"
          checked={value !== ""}
          onChange={(event) => onValue(name, event.currentTarget.checked ? name : "")}
        />
        {sentence(description)}
      </label>
    );
  }
  const choices = /^[\w-]+(\|[\w-]+)+$/.test(values) ? values.split("|") : undefined;
  return (
    <div class="option">
      <label for={id}>{name}</label>
      {choices === undefined ? (
        <input
          id={id}
          type="text"
          value={value}
          onInput={(event) => onValue(name, event.currentTarget.value)}
          aria-describedby={`${id}-about`}
        />
      ) : (
        <select
          id={id}
          value={value}
          onChange={(event) => onValue(name, event.currentTarget.value)}
          aria-describedby={`${id}-about`}
        >
          <option value="">as usual</option>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      )}
      <p id={`${id}-about`} class="quiet">
        {sentence(description)}
        {choices === undefined && ` (${values})`}
      </p>
    </div>
  );
}

function specification(kind: string, values: Readonly<Record<string, string>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== "");
  return [kind, ...given.map(([option, value]) => (value === option ? option : `${option}=${value}`))].join(
    ",",
  );
}

function placeOf({ name }: GadgetKind): number {
  const at = ORDER.indexOf(name);
  return at < 0 ? ORDER.length : at;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
