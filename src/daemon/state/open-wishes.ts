import type { Log } from "../log.ts";
import { FolderUnusable, type StateFolder } from "./state-folder.ts";
import type { ChangeableState } from "./state-store.ts";
import { WISHES, WishList } from "./wishes.ts";

/** The wishes of an agent for as long as it runs. */
export interface OpenWishes {
  readonly wishes: WishList;
  /** Waits for changes on their way, and lets the next agent have them. */
  readonly close: () => Promise<void>;
}

/**
 * Takes the wishes of the folder; where nothing can be kept, and nobody has asked for that folder, they end with the
 * agent. Rejects with StateHeld if another agent has them, and with Failed if they are damaged.
 */
export async function openWishes(folder: StateFolder, log: Log): Promise<OpenWishes> {
  try {
    const { store, close } = await folder.open(WISHES);
    return { wishes: new WishList(store), close };
  } catch (error) {
    if (!(error instanceof FolderUnusable) || folder.isChosen) throw error;
    log.warn({ code: "STATE_NOT_KEPT", path: folder.path }, `STATE_NOT_KEPT ${error.message}`);
    return { wishes: new WishList(new PassingState(WISHES.empty)), close: async () => {} };
  }
}

/** Where no agent runs that could. */
export async function forgetWishes(folder: StateFolder): Promise<void> {
  const { wishes, auto = [] } = await folder.read(WISHES);
  if (wishes.length + auto.length > 0) await change(folder, (list) => list.clear());
}

/** The same for one of them; tells whether there was such a one. */
export async function forgetAutoWish(folder: StateFolder, id: string): Promise<boolean> {
  const { auto = [] } = await folder.read(WISHES);
  if (!auto.some((wish) => wish.id === id)) return false;
  await change(folder, (list) => list.removeAuto(id));
  return true;
}

async function change(folder: StateFolder, edit: (wishes: WishList) => Promise<void>): Promise<void> {
  const { store, close } = await folder.open(WISHES);
  try {
    await edit(new WishList(store));
  } finally {
    await close();
  }
}

/** A state that ends with the process. */
export class PassingState<T> implements ChangeableState<T> {
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  async change(edit: (value: T) => T): Promise<T> {
    this.#value = edit(this.#value);
    return this.#value;
  }
}
