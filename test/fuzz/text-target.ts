import assert from "node:assert/strict";
import { knownExchange } from "../../src/capture/known-exchange.ts";
import { interfaceDescription, LARGEST_PACKET, sectionHeader } from "../../src/capture/pcapng.ts";
import { readRecording, UnusableRecording } from "../../src/capture/recording.ts";
import {
  createGadget,
  GADGET_KINDS,
  type GadgetBacking,
  GadgetSpecificationError,
  parseGadgetSpec,
} from "../../src/gadgets/catalog.ts";
import { EchoStream } from "../../src/gadgets/echo-stream.ts";
import { MemoryStore } from "../../src/gadgets/memory-store.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { AddressError, parseAddress, printAddress } from "../../src/links/address.ts";
import type { Random } from "./random.ts";
import { requireSame, type Target } from "./target.ts";

const ADDRESSES: readonly string[] = [
  "tcp:3240",
  "tcp:192.0.2.7:3240",
  "tcp:[fe80::1%eth0]:0",
  "tls:host.example:65535",
  "wslusb+tcp:[::]:1",
  "unix:/run/usb:ferry.sock",
  "vsock:4294967295:3240",
  "vsock:0x5553422",
  "hvsocket:e0e16197-dd56-4a10-9195-5ee7a155a838:3240",
  "fc-vsock:/run/vm1.vsock:3240",
  "ring:/run/usbferry.ring",
  "ring:pci:0000:00:05.0",
];

const GADGETS: readonly string[] = [
  "zero",
  "zero,speed=super,pattern=63",
  "zero,vid=1209,pid=0001,serial=a=b",
  "keyboard,speed=low,text=Hello World",
  "keyboard,serial=\u{1f600},speed=full",
  "mouse,speed=low",
  "disk,size=1.5G,ro",
  "disk,file=/srv/image,speed=high",
  "serial,bridge=tcp:4000",
  "audio,speed=full",
];

/** Parts of either language, so that a mutant is often still a sentence. */
const WORDS: readonly string[] =
  ": :: [ ] , = % / . 0x 0 1 65536 99999999999 \0 é \ud800 tcp unix vsock ring pci: wslusb+ localhost ::1 zero keyboard".split(
    " ",
  );
/** Further options of a gadget, some of them right. */
const OPTIONS: readonly string[] =
  ",speed=full ,speed=high ,serial=1 ,vid=abcd ,pid=FFFF ,text=x ,pattern=0".split(" ");

function mutateText(text: string, random: Random): string {
  let changed = text;
  for (let changes = 1 + random.below(2); changes > 0; changes--) {
    const at = random.below(changed.length + 1);
    const end = at + random.below(4);
    const word = random.oneIn(3)
      ? String.fromCharCode(32 + random.below(95))
      : random.pick(random.oneIn(3) ? OPTIONS : WORDS);
    // Mostly at the end, where it does least harm.
    if (random.oneIn(2)) changed += random.oneIn(2) ? word : String(random.below(10));
    else changed = changed.slice(0, at) + word + changed.slice(random.oneIn(2) ? end : at);
  }
  return changed;
}

function encode(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "utf16le"));
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf16le");
}

export const addressTarget: Target = {
  name: "parseAddress",
  corpus: ADDRESSES.map(encode),
  mutant: (random) => encode(mutateText(random.pick(ADDRESSES), random)),
  judge(bytes) {
    const text = decode(bytes);
    const address = parseAddress(text);
    if (address instanceof AddressError) {
      requireSame(address.message.includes("Write for example"), true, "a message that shows a right one");
      return "error";
    }
    assert.deepEqual(parseAddress(printAddress(address)), address, `${text} printed and read again`);
    if ("port" in address) {
      const most = address.kind === "tcp" || address.kind === "tls" ? 0xffff : 0xffffffff;
      requireSame(
        Number.isInteger(address.port) && address.port >= 0 && address.port <= most,
        true,
        "a port",
      );
    }
    return "value";
  },
};

/** A kind with some of its options, each given once, with values that are mostly allowed. */
function specification(random: Random): string {
  const { name, options } = random.pick(GADGET_KINDS);
  const chosen = options.filter(() => random.oneIn(2));
  return [name, ...chosen.map((option) => `${option.name}=${value(option.name, random)}`)].join(",");
}

function value(option: string, random: Random): string {
  const hex = random.next().toString(16).padStart(8, "0");
  switch (option) {
    case "speed":
      return random.pick(["low", "full", "high", "super", "full", "high"]);
    case "vid":
    case "pid":
      return hex.slice(0, random.oneIn(20) ? 5 : 4);
    case "pattern":
      return random.pick(["0", "63"]);
    default:
      return hex.repeat(random.oneIn(20) ? 16 : random.below(15));
  }
}

const RECORDED = new Zero();

/** For the files, terminals and connections that a specification may name. */
const BACKING = {
  store: new MemoryStore(4096),
  stream: new EchoStream(),
  recording: readRecording(
    Buffer.concat([
      sectionHeader("fuzz"),
      interfaceDescription({ name: "zero", description: "", bitsPerSecond: 480e6, snaplen: LARGEST_PACKET }),
      ...knownExchange(RECORDED, { busnum: 1, devnum: 2 }, 0),
    ]),
    undefined,
  ),
};
assert(!(BACKING.recording instanceof UnusableRecording));

export const gadgetSpecTarget: Target = {
  name: "parseGadgetSpec",
  corpus: GADGETS.map(encode),
  mutant: (random) =>
    encode(random.oneIn(2) ? mutateText(random.pick(GADGETS), random) : specification(random)),
  judge(bytes) {
    const text = decode(bytes);
    const parsed = parseGadgetSpec(text);
    if (parsed instanceof GadgetSpecificationError) {
      requireSame(parsed.message.length > 10, true, "a message that tells something");
      return "error";
    }
    requireSame(
      GADGET_KINDS.some(({ name }) => name === parsed.kind),
      true,
      "a kind of the catalog",
    );
    // What parses can be made: nothing is left for the constructor to refuse.
    const { speed } = createGadget(parsed, BACKING as GadgetBacking);
    requireSame(speed, parsed.speed ?? RECORDED.speed, "speed of the gadget");
    return "value";
  },
};
