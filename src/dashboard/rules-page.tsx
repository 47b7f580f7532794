import type { JSX } from "preact";
import { ask, type HostState, type Rule } from "./api.ts";
import { Icon } from "./icon.tsx";
import { RuleForm } from "./rule-form.tsx";
import { useAct } from "./use-host.ts";

/** Who may have what. */
export function RulesPage({ state }: { readonly state: HostState }): JSX.Element {
  const own = state.rules.filter(({ source }) => source === "state");
  const configured = state.rules.filter(({ source }) => source === "configuration");
  return (
    <>
      <h1>Rules</h1>
      <p class="lead">
        The first rule that fits decides. Where none does, programs of this machine may have every shared
        device, and nobody else any. Who has a device keeps it when rules change.
      </p>
      {own.length === 0 ? (
        <p class="empty">No rule yet.</p>
      ) : (
        <ol class="rules">
          {own.map((rule, at) => (
            <RuleLine key={rule.id} rule={rule} place={at + 1} of={own.length} />
          ))}
        </ol>
      )}
      {configured.length > 0 && (
        <section aria-labelledby="configured">
          <h2 id="configured">From the configuration</h2>
          <p class="quiet">They are asked behind those above, and changed in the file.</p>
          <ol class="rules">
            {configured.map(({ id, rule }) => (
              <li key={id}>
                <code>{rule}</code>
              </li>
            ))}
          </ol>
        </section>
      )}
      <RuleForm devices={state.devices} />
    </>
  );
}

interface RuleLineProps {
  readonly rule: Rule;
  /** Counted from 1. */
  readonly place: number;
  readonly of: number;
}

function RuleLine({ rule: { id, rule }, place, of }: RuleLineProps): JSX.Element {
  const act = useAct();
  const move = (position: number): Promise<boolean> =>
    act(async () => {
      await ask("POST", `/v1/rules/${id}/move`, { position });
      return `Rule ${id} is number ${position}.`;
    });
  const remove = (): Promise<boolean> =>
    act(async () => {
      await ask("DELETE", `/v1/rules/${id}`);
      return `Rule ${id} holds no longer: ${rule}`;
    });
  return (
    <li>
      <code>{rule}</code>
      <div class="actions">
        <button type="button" class="square" disabled={place === 1} onClick={() => void move(place - 1)}>
          <Icon name="up" />
          <span class="unseen">Move rule {id} up</span>
        </button>
        <button type="button" class="square" disabled={place === of} onClick={() => void move(place + 1)}>
          <Icon name="down" />
          <span class="unseen">Move rule {id} down</span>
        </button>
        <button type="button" onClick={() => void remove()}>
          Remove<span class="unseen"> rule {id}</span>
        </button>
      </div>
    </li>
  );
}
