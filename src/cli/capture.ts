import { type Command, InvalidArgumentError } from "commander";
import { type CaptureOutcome, capture, captureQuery } from "../daemon/capture/capture.ts";
import { captureTarget } from "../daemon/capture/capture-target.ts";
import { WrongUsage } from "../daemon/failure.ts";
import { parseByteSize } from "../daemon/serve.ts";
import { Cancelled, interruption } from "./cancelled.ts";
import { CONTROL_OPTION, type ControlOption } from "./control.ts";
import { printable } from "./printable.ts";
import { repeatable } from "./repeatable.ts";

interface CaptureOptions extends ControlOption {
  readonly output?: string;
  readonly endpoint?: readonly string[];
  readonly snaplen?: number;
  readonly ring?: number;
}

const HELP = `
Records what passes between a device and whoever has it, from now on until Ctrl-C or until the device goes: pcapng with the
packets of Linux usbmon, which Wireshark opens. The device must be shared by the host that runs here, or attached by the agent;
it may be in use or not. It never waits for the file: packets that nobody takes in time are counted as lost.

Example: usbferry capture zero -o zero.pcapng
         usbferry capture 046d:c31c --endpoint 0 --endpoint 81 -o keys.pcapng
         usbferry capture 1-2 | wireshark -k -i -
         usbferry capture 1-2 --ring 100M -o last.pcapng

What is typed on a keyboard stands in its recording: the file is made for its owner alone. See docs/capture.md.`;

export function addCapture(root: Command): void {
  root
    .command("capture")
    .description("record a device as pcapng for Wireshark")
    .argument("<DEV>", "bus id, vid:pid, vid:pid:serial, nickname, or the port of an attached device")
    .option("-o, --output <FILE|->", "where to write: a file, a FIFO, or standard output")
    .option("--endpoint <ADDRESS>", "only this endpoint (81, 2, 0 for control); may be repeated", repeatable)
    .option("--snaplen <BYTES>", "keep so much of each packet, of which its header takes 64", wholeNumber)
    .option("--ring <SIZE>", "keep the last packets alone, in so much memory; written at the end", size)
    .option("--control <PATH>", CONTROL_OPTION)
    .addHelpText("after", HELP)
    .action(run);
}

async function run(device: string, options: CaptureOptions): Promise<void> {
  const { signal } = interruption;
  const { endpoint: endpoints = [], snaplen, ring: ringBytes, control } = options;
  const output = outputOf(options);
  let began = false;
  try {
    const query = captureQuery(endpoints, snaplen);
    const target = await captureTarget(device, control);
    const outcome = await capture(
      { target, output, query, ringBytes },
      () => {
        began = true;
        const place = output === "-" ? "" : ` to ${printable(output)}`;
        process.stderr.write(`Recording ${printable(target.name)}${place}; Ctrl-C ends it.\n`);
      },
      signal,
    );
    process.stderr.write(describe(outcome));
  } catch (error) {
    if (signal.aborted && !began) throw new Cancelled("cancelled");
    throw error;
  }
}

function outputOf({ output, ring }: CaptureOptions): string {
  if (output === "-" && ring !== undefined) {
    throw new WrongUsage("with --ring the recording is written when it ends: name a file with -o.");
  }
  if (output !== undefined) return output;
  if (process.stdout.isTTY || ring !== undefined) {
    throw new WrongUsage(
      "where to? Name a file with -o FILE, or give standard output to a program: usbferry capture DEV | wireshark -k -i -",
    );
  }
  return "-";
}

function describe({ packets, lost, overwritten, by }: CaptureOutcome): string {
  const why = { signal: "", device: "The device is gone. ", reader: "Nobody reads any more. " }[by];
  const missing = lost > 0 ? `, ${lost} lost because they were not taken in time` : "";
  const older = overwritten > 0 ? `, ${overwritten} older ones given up` : "";
  return `${why}${packets} packets${missing}${older}.\n`;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It is no whole number.");
  return Number(text);
}

function size(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes === undefined || bytes < 1) throw new InvalidArgumentError("Write bytes, or 64K, 100M, 1G.");
  return bytes;
}
