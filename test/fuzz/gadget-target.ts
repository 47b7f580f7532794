import { Audio } from "../../src/gadgets/audio.ts";
import { Disk } from "../../src/gadgets/disk.ts";
import type { Gadget } from "../../src/gadgets/gadget.ts";
import type { GadgetIdentity } from "../../src/gadgets/identity.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { MemoryStore } from "../../src/gadgets/memory-store.ts";
import { Mouse } from "../../src/gadgets/mouse.ts";
import { Serial } from "../../src/gadgets/serial.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { Speed } from "../../src/usb/speed.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import { annotatedHex } from "../support/annotated-hex.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { joined, mutateBytes, oddNumber } from "./mutation.ts";
import type { Random } from "./random.ts";
import { requireSame, requireSameBytes, type Target } from "./target.ts";

const SETUP = 8;
const MARGIN = 16;
const GUARD = 0xa5;

/** What a driver asks a device of its own accord, and what a hostile one may. */
const REQUESTS = annotatedHex(`
  80 06 0001 0000 1200  GET_DESCRIPTOR, device
  80 06 0002 0000 ff00  GET_DESCRIPTOR, configuration
  80 06 0003 0000 ff00  GET_DESCRIPTOR, languages
  80 06 0203 0904 ff00  GET_DESCRIPTOR, product
  80 06 000f 0000 0500  GET_DESCRIPTOR, BOS
  80 06 0006 0000 0a00  GET_DESCRIPTOR, qualifier
  81 06 0022 0000 4000  GET_DESCRIPTOR, report
  00 09 0300 0000 0000  SET_CONFIGURATION 3
  00 09 0200 0000 0000  SET_CONFIGURATION 2
  00 09 0100 0000 0000  SET_CONFIGURATION 1
  80 08 0000 0000 0100  GET_CONFIGURATION
  01 0b 0100 0000 0000  SET_INTERFACE
  81 0a 0000 0000 0100  GET_INTERFACE
  80 00 0000 0000 0200  GET_STATUS, device
  81 00 0000 0000 0200  GET_STATUS, interface
  82 00 0000 8100 0200  GET_STATUS, endpoint
  02 03 0000 8100 0000  SET_FEATURE, halt
  02 01 0000 8100 0000  CLEAR_FEATURE, halt
  00 03 0100 0000 0000  SET_FEATURE, remote wakeup
  00 05 0700 0000 0000  SET_ADDRESS
  00 31 2800 0000 0000  SET_ISOCH_DELAY
  00 30 0000 0000 0600  SET_SEL
  21 0a 0000 0000 0000  SET_IDLE
  21 0b 0000 0000 0000  SET_PROTOCOL
  21 09 0002 0000 0100  SET_REPORT
  a1 01 0001 0000 0800  GET_REPORT
  40 5b 0000 0000 4000  test data out
  c0 5c 0000 0000 4000  test data in
  21 ff 0000 0000 0000  mass storage reset
  a1 fe 0000 0000 0100  GET_MAX_LUN
  21 20 0000 0000 0700  SET_LINE_CODING
  a1 21 0000 0000 0700  GET_LINE_CODING
  21 22 0100 0000 0000  SET_CONTROL_LINE_STATE
  21 23 ffff 0000 0000  SEND_BREAK
`);

const GADGETS: readonly ((identity: GadgetIdentity) => Gadget)[] = [
  (identity) => new Zero(identity),
  (identity) => new Keyboard(identity),
  (identity) => new Mouse(identity),
  (identity) => new Disk({ ...identity, store: new MemoryStore(4096) }),
  (identity) => new Serial(identity),
  (identity) => new Audio(identity),
];

function mutant(random: Random): Uint8Array {
  const setups = Array.from({ length: 1 + random.below(6) }, () => {
    const at = SETUP * random.below(REQUESTS.length / SETUP);
    const setup = REQUESTS.slice(at, at + SETUP);
    if (random.oneIn(3))
      setup[2 + random.below(SETUP - 2)] = random.oneIn(2) ? random.below(4) : oddNumber(random);
    return setup;
  });
  const bytes = joined(setups);
  return random.oneIn(6) ? mutateBytes(bytes, random, [REQUESTS]) : bytes;
}

/** Control requests to a simulated device, one by one. */
export const gadgetTarget: Target = {
  name: "control requests of gadgets",
  corpus: [REQUESTS],
  mutant,
  judge(bytes, random) {
    const speed = random.pick([Speed.full, Speed.high, Speed.super]);
    const gadget = random.pick(GADGETS)({ speed });
    const loop = new ManualLoop();
    let completed: Urb[] = [];
    const host = { complete: (urb: Urb) => void completed.push(urb), unplugged: () => {} };
    gadget.open(host, loop, (refused) => requireSame(refused, undefined, "refusal"));
    let ok = 0;
    for (let at = 0; at + SETUP <= bytes.length; at += SETUP) {
      const urb = control(bytes.subarray(at, at + SETUP));
      completed = [];
      gadget.submit(urb);
      requireSame(completed.length, 0, "completions inside submit");
      gadget.flush();
      loop.settle();
      requireSame(completed.length, 1, "completions");
      check(urb, gadget);
      if (urb.status === TransferStatus.ok) ok++;
    }
    let closed = 0;
    gadget.close(() => closed++);
    loop.settle();
    requireSame(closed, 1, "calls of closed");
    return ok > 0 ? "value" : "error";
  },
};

function control(setup: Uint8Array): Urb {
  const urb = createUrb(0);
  urb.setup.set(setup);
  urb.length = setup[6]! | (setup[7]! << 8);
  urb.endpoint = setup[0]! & 0x80;
  urb.type = TransferType.control;
  urb.offset = MARGIN;
  urb.buffer = new Uint8Array(urb.length + 2 * MARGIN).fill(GUARD);
  return urb;
}

function check(urb: Urb, gadget: Gadget): void {
  const { setup, buffer, offset, length, actualLength, status } = urb;
  requireSame(Object.values(TransferStatus).includes(status), true, `status ${status}`);
  requireSame(actualLength >= 0 && actualLength <= length, true, `${actualLength} of ${length} bytes`);
  const touched = setup[0]! >= 0x80 ? actualLength : 0;
  const untouched = buffer.every((byte, i) => (i >= offset && i < offset + touched) || byte === GUARD);
  requireSame(untouched, true, "bytes around the data left alone");
  if (status !== TransferStatus.ok || setup[0] !== 0x80) return;
  const data = buffer.subarray(offset, offset + actualLength);
  if (setup[1] === 8) requireSame(data[0] ?? gadget.configuration, gadget.configuration, "GET_CONFIGURATION");
  if (setup[1] === 6 && setup[3] === 1) {
    requireSameBytes(data, gadget.descriptors.subarray(0, Math.min(18, length)), "device descriptor");
  }
}
