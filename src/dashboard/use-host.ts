import { createContext } from "preact";
import { useContext, useEffect, useReducer } from "preact/hooks";
import { reasonOf } from "./api.ts";
import type { FigureWatch } from "./figure-watch.ts";
import type { HostWatch } from "./host-watch.ts";
import type { Notices } from "./notices.ts";

/** What every part of the page has at hand. */
export interface Desk {
  readonly host: HostWatch;
  readonly figures: FigureWatch;
  readonly notices: Notices;
}

export const DeskContext = createContext<Desk | undefined>(undefined);

export function useDesk(): Desk {
  return useContext(DeskContext)!;
}

/** Draws again whenever one of them has changed. */
export function useChanges(...sources: readonly { subscribe(listener: () => void): () => void }[]): void {
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const ends = sources.map((source) => source.subscribe(() => draw(undefined)));
    return () => {
      for (const end of ends) end();
    };
  }, sources);
}

/** Does what a person asked for, tells how it went, and shows what has become of it. */
export function useAct(): (work: () => Promise<string>) => Promise<boolean> {
  const { host, notices } = useDesk();
  return async (work) => {
    const holdFocus = focusHolder();
    try {
      const done = await work();
      // What is told is seen then.
      await host.look();
      notices.tell(done);
      return true;
    } catch (error) {
      notices.fail(reasonOf(error));
      return false;
    } finally {
      setTimeout(holdFocus, DRAWN_MS);
    }
  };
}

/** By then the page shows what was done. */
const DRAWN_MS = 50;

/** A button that goes with what it did takes the focus along: then what is next to it has it. */
function focusHolder(): () => void {
  const around: HTMLElement[] = [];
  for (let element = document.activeElement; element !== null; element = element.parentElement) {
    if (element instanceof HTMLElement) around.push(element);
  }
  return () => {
    if (document.activeElement !== document.body) return;
    const left = around.find((element) => element.isConnected && element !== document.body);
    const next = left?.matches("main") === true ? left : left?.querySelector<HTMLElement>(FOCUSABLE);
    (next ?? document.querySelector("main"))?.focus();
  };
}

const FOCUSABLE = "button:not(:disabled), a[href], input, select";
