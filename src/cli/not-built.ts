import { WrongUsage } from "../daemon/failure.ts";

/** The action of a command that is part of the contract and not built yet. `instead` says what works. */
export function notBuilt(command: string, instead: string): () => never {
  return () => {
    throw new WrongUsage(`"usbferry ${command}" is not built yet. ${instead}`);
  };
}

/** The same for an option of a command that works without it. */
export function optionNotBuilt(option: string, instead: string): WrongUsage {
  return new WrongUsage(`the option ${option} is not built yet. ${instead}`);
}
