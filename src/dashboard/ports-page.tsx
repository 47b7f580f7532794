import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type AttachedDevice, ask, type Ports, Refused, reasonOf } from "./api.ts";
import { CommandLine } from "./command.tsx";
import { useAct } from "./use-host.ts";

const LOOK_MS = 5_000;

/** What is attached to the kernel of this machine, which is a guest then. */
export function PortsPage(): JSX.Element {
  const [ports, setPorts] = useState<Ports | undefined>();
  const [error, setError] = useState<unknown>();
  const look = async (): Promise<void> => {
    try {
      setPorts(await ask<Ports>("GET", "/agent/v1/ports"));
      setError(undefined);
    } catch (failure) {
      setError(failure);
    }
  };
  useEffect(() => {
    void look();
    const timer = setInterval(() => void look(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const isWithoutAgent = error instanceof Refused && error.code === "NO_AGENT";
  return (
    <>
      <h1>Ports of this machine</h1>
      <p class="lead">Devices of other machines that were attached to this one.</p>
      {isWithoutAgent ? (
        <div class="empty">
          <p>No agent runs here. Start one, and this page goes on by itself:</p>
          <CommandLine text="sudo usbferry agent" />
        </div>
      ) : (
        error !== undefined && <p class="wrong">{reasonOf(error)}</p>
      )}
      {ports !== undefined && error === undefined && (
        <>
          {ports.ports.length === 0 ? (
            <p class="empty">Nothing is attached.</p>
          ) : (
            <ul class="sessions">
              {ports.ports.map((port) => (
                <PortLine key={port.port} port={port} onChange={look} />
              ))}
            </ul>
          )}
          {ports.wishes.some(({ state }) => state !== "attached") && <Wishes wishes={ports.wishes} />}
          <AttachForm onChange={look} />
        </>
      )}
    </>
  );
}

interface PortLineProps {
  readonly port: Ports["ports"][number];
  readonly onChange: () => Promise<void>;
}

function PortLine({
  port: { port, busid, address, node, speed, by, wish },
  onChange,
}: PortLineProps): JSX.Element {
  const act = useAct();
  const detach = (): Promise<boolean> =>
    act(async () => {
      await ask("DELETE", `/agent/v1/ports/${port}`);
      await onChange();
      return `Port ${port} is free again.`;
    });
  return (
    <li>
      <div class="what">
        <p>
          <strong>{busid ?? "A device"}</strong> <span class="quiet">{address ?? "by another program"}</span>
        </p>
        <p class="quiet facts">
          <span>{`port ${port}`}</span> <span>{`${speed} speed`}</span>{" "}
          {node !== undefined && <span>{node}</span>} {wish !== undefined && <span>kept attached</span>}
        </p>
      </div>
      {by === "agent" && (
        <div class="actions">
          <button type="button" onClick={() => void detach()}>
            Detach<span class="unseen"> port {port}</span>
          </button>
        </div>
      )}
    </li>
  );
}

function Wishes({ wishes }: { readonly wishes: Ports["wishes"] }): JSX.Element {
  return (
    <section aria-labelledby="wishes">
      <h2 id="wishes">Waited for</h2>
      <ul class="plain">
        {wishes
          .filter(({ state }) => state !== "attached")
          .map(({ id, devices, address, reason }) => (
            <li key={id}>
              <strong>{devices[0]}</strong> of {address}. <span class="quiet">{reason}</span>
            </li>
          ))}
      </ul>
    </section>
  );
}

function AttachForm({ onChange }: { readonly onChange: () => Promise<void> }): JSX.Element {
  const [address, setAddress] = useState("");
  const [device, setDevice] = useState("");
  const [isBusy, setBusy] = useState(false);
  const act = useAct();
  const attach = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    await act(async () => {
      const attached = await ask<AttachedDevice>("POST", "/agent/v1/attachments", { address, device });
      await onChange();
      return `${attached.busid} is attached as ${attached.node}.`;
    });
    setBusy(false);
  };
  return (
    <section aria-labelledby="attach">
      <h2 id="attach">Attach a device of a host</h2>
      <form class="rule" onSubmit={(event) => void attach(event)}>
        <div>
          <label for="attach-address">Address of the host</label>
          <input
            id="attach-address"
            type="text"
            class="code"
            placeholder="tcp:192.0.2.7:3240"
            required
            spellcheck={false}
            value={address}
            onInput={(event) => setAddress(event.currentTarget.value)}
          />
        </div>
        <div>
          <label for="attach-device">Device</label>
          <input
            id="attach-device"
            type="text"
            class="code"
            placeholder="1-2 or 0781:5581"
            required
            spellcheck={false}
            value={device}
            onInput={(event) => setDevice(event.currentTarget.value)}
          />
        </div>
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy}>
            {isBusy ? "Attaching ..." : "Attach"}
          </button>
        </div>
      </form>
    </section>
  );
}
