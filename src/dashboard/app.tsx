import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { DevicesPage } from "./devices-page.tsx";
import { EventsPage } from "./events-page.tsx";
import { GuestsPage } from "./guests-page.tsx";
import type { HostWatch } from "./host-watch.ts";
import { Icon } from "./icon.tsx";
import { NoticeList } from "./notice-list.tsx";
import { PortsPage } from "./ports-page.tsx";
import { RulesPage } from "./rules-page.tsx";
import { SignIn } from "./sign-in.tsx";
import { useChanges, useDesk } from "./use-host.ts";

const PAGES = [
  { name: "devices", title: "Devices", Page: DevicesPage },
  { name: "guests", title: "Guests", Page: GuestsPage },
  { name: "rules", title: "Rules", Page: RulesPage },
  { name: "events", title: "Events", Page: EventsPage },
  { name: "ports", title: "Ports", Page: PortsPage },
] as const;

function nameInAddress(): string {
  return location.hash.slice(2);
}

function usePage(): (typeof PAGES)[number] {
  const [name, setName] = useState(nameInAddress());
  useEffect(() => {
    const follow = (): void => setName(nameInAddress());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return PAGES.find((page) => page.name === name) ?? PAGES[0];
}

export function App(): JSX.Element {
  const { host } = useDesk();
  useChanges(host);
  const { name: shown, title, Page } = usePage();
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${title} - usbferry`;
    // A screen reader goes on where the new page begins.
    if (isFirst.current) isFirst.current = false;
    else {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [title]);

  if (host.contact === "locked") return <SignIn />;
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <header class="top">
        <p class="mark">
          <Icon name="ferry" />
          usbferry
        </p>
        <nav aria-label="Pages">
          <ul>
            {PAGES.map(({ name, title: words }) => (
              <li key={name}>
                <a href={`#/${name}`} aria-current={name === shown ? "page" : undefined}>
                  {words}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <ContactSign host={host} />
      </header>
      <main ref={main} id="main" tabIndex={-1}>
        {host.contact === "lost" && (
          <div class="banner" role="alert">
            <p>
              {host.reason}{" "}
              <span class="quiet">Trying again every second; what you see may be out of date.</span>
            </p>
          </div>
        )}
        {host.state === undefined ? <p class="quiet">Asking the host ...</p> : <Page state={host.state} />}
      </main>
      <NoticeList />
    </>
  );
}

function ContactSign({ host }: { readonly host: HostWatch }): JSX.Element {
  const words =
    host.contact === "open" ? "Connected" : host.contact === "asking" ? "Connecting" : "No answer";
  return (
    <p
      class={`contact ${host.contact}`}
      title={host.state && `usbferry ${host.state.version}, process ${host.state.pid}`}
    >
      <span class="dot" aria-hidden="true" />
      {words}
    </p>
  );
}
