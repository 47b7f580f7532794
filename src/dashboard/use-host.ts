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
    try {
      notices.tell(await work());
      await host.look();
      return true;
    } catch (error) {
      notices.fail(reasonOf(error));
      return false;
    }
  };
}
