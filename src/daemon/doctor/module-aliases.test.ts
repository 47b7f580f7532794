import assert from "node:assert/strict";
import { test } from "node:test";
import { modulesForAlias } from "./module-aliases.ts";

/** Lines of a real modules.alias (Debian's Linux 6.12). */
const ALIASES = `# Aliases extracted from modules themselves.
alias usb:v*p*d*dc*dsc*dp*ic08isc06ip50in* usb_storage
alias usb:v*p*d*dc*dsc*dp*ic08isc06ip62in* uas
alias usb:v0403p6001d*dc*dsc*dp*ic*isc*ip*in* ftdi-sio
alias usb:v0FCEp[0-9A-F]*d*dc*dsc*dp*ic02isc02ip01in* cdc_acm
alias usb:v04E6p0001d0[0-1]*dc*dsc*dp*ic*isc*ip*in* usb_storage
alias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci
alias hid:b0003g*v*p* hid_generic
`;

const storage = "usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00";

test("a module is found by what its pattern leaves open", () => {
  assert.deepEqual(modulesForAlias(ALIASES, storage), ["usb_storage"]);
  assert.deepEqual(modulesForAlias(ALIASES, "usb:v0403p6001d0600dc00dsc00dp00icFFiscFFipFFin00"), [
    "ftdi_sio",
  ]);
  assert.deepEqual(modulesForAlias(ALIASES, "usb:v04E6p0001d0152dc00dsc00dp00icFFiscFFipFFin00"), [
    "usb_storage",
  ]);
  assert.deepEqual(modulesForAlias(ALIASES, "usb:v04E6p0001d0252dc00dsc00dp00icFFiscFFipFFin00"), []);
});

test("aliases of other buses, and interfaces that nobody serves, have no module", () => {
  assert.deepEqual(modulesForAlias(ALIASES, "usb:v1234p5678d0100dc00dsc00dp00icFFisc00ip00in00"), []);
  assert.deepEqual(modulesForAlias(ALIASES, ""), []);
  assert.deepEqual(modulesForAlias("", storage), []);
});
