import { Zero } from "../../src/gadgets/zero.ts";
import { startHost } from "./bench-host.ts";
import { report } from "./collections.ts";

/** The host as `usbferry serve --gadget zero --data-plane main` runs it. */
report(await startHost(new Zero()));
