import type { Command } from "commander";
import { capture, captureQuery } from "../daemon/capture/capture.ts";
import { type CaptureTarget, captureTargets } from "../daemon/capture/capture-target.ts";
import { Failed, WrongUsage } from "../daemon/failure.ts";
import { VERSION } from "../daemon/version.ts";
import { interruption } from "./cancelled.ts";
import { CONTROL_OPTION, type ControlOption } from "./control.ts";
import { printable } from "./printable.ts";

/** What Wireshark asks: https://www.wireshark.org/docs/wsdg_html_chunked/ChCaptureExtcap.html */
interface ExtcapOptions extends ControlOption {
  readonly extcapInterfaces?: true;
  readonly extcapInterface?: string;
  readonly extcapDlts?: true;
  readonly extcapConfig?: true;
  readonly capture?: true;
  readonly fifo?: string;
  readonly endpoint?: string;
  readonly snaplen?: string;
}

const HELP = `
Wireshark and tshark run this to list the devices of the host and the agent of this machine, and to record one of them live.
A file of two lines in Wireshark's folder of extcap programs makes it known:

  mkdir -p ~/.local/lib/wireshark/extcap
  printf '#!/bin/sh\\nexec usbferry extcap "$@"\\n' > ~/.local/lib/wireshark/extcap/usbferry
  chmod +x ~/.local/lib/wireshark/extcap/usbferry

See docs/capture.md.`;

export function addExtcap(root: Command): void {
  root
    .command("extcap")
    .description("what Wireshark runs to list devices and record them live")
    .option("--extcap-interfaces", "list what can be recorded")
    .option("--extcap-version <VERSION>", "of the Wireshark that asks")
    .option("--extcap-interface <NAME>", "one of them")
    .option("--extcap-dlts", "tell its link type")
    .option("--extcap-config", "tell its options")
    .option("--capture", "record it")
    .option("--fifo <PATH>", "where Wireshark reads")
    .option("--extcap-capture-filter <FILTER>", "there is no filter of this kind: use the endpoints")
    .option("--endpoint <LIST>", "only these endpoint addresses: 0,81,2")
    .option("--snaplen <BYTES>", "keep so much of each packet")
    .option("--control <PATH>", CONTROL_OPTION)
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: ExtcapOptions): Promise<void> {
  if (options.extcapInterfaces === true) process.stdout.write(await interfaces(options.control));
  else if (options.extcapDlts === true) {
    process.stdout.write("dlt {number=220}{name=USB_LINUX_MMAPPED}{display=USB, as Linux usbmon}\n");
  } else if (options.extcapConfig === true) process.stdout.write(CONFIGURATION);
  else if (options.capture === true) await record(options);
  else
    throw new WrongUsage(
      "Wireshark runs this, with --extcap-interfaces first. Record with `usbferry capture`.",
    );
}

/** Without a host or an agent there is nothing to list, and that is no failure: Wireshark asks at each start. */
async function interfaces(control: string | undefined): Promise<string> {
  let targets: readonly CaptureTarget[] = [];
  try {
    targets = await captureTargets(control);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
  }
  const lines = targets.map(
    (target) => `interface {value=${nameOf(target)}}{display=usbferry: ${displayed(target.name)}}\n`,
  );
  return `extcap {version=${VERSION}}\n${lines.join("")}`;
}

const CONFIGURATION = `\
arg {number=0}{call=--endpoint}{display=Endpoints}{type=string}{tooltip=Addresses in hexadecimal with commas between: 0 for control, 81 for IN 1, 2 for OUT 2}{validation=^(0x)?[0-9a-fA-F]+(,(0x)?[0-9a-fA-F]+)*$}
arg {number=1}{call=--snaplen}{display=Bytes of each packet}{type=unsigned}{range=64,262144}{tooltip=Its header takes 64 of them}{default=262144}
`;

async function record({ extcapInterface, fifo, endpoint, snaplen, control }: ExtcapOptions): Promise<void> {
  if (extcapInterface === undefined || fifo === undefined) {
    throw new WrongUsage("--capture needs --extcap-interface NAME and --fifo PATH.");
  }
  const target = (await captureTargets(control)).find((each) => nameOf(each) === extcapInterface);
  if (target === undefined) {
    throw new Failed(
      `${printable(extcapInterface)} is there no more. Refresh the interfaces in Wireshark (F5) and choose again.`,
    );
  }
  const endpoints = endpoint === undefined || endpoint === "" ? [] : endpoint.split(",");
  const query = captureQuery(endpoints, snaplen === undefined ? undefined : Number(snaplen));
  await capture({ target, output: fifo, query }, () => {}, interruption.signal);
}

/** Wireshark wants letters, digits and a few marks. */
function nameOf({ role, id }: CaptureTarget): string {
  return `usbferry-${role === "serve" ? "host" : "port"}-${id.replaceAll(/[^A-Za-z0-9._-]/g, "_")}`;
}

/** What stands in braces for Wireshark. */
function displayed(text: string): string {
  return printable(text).replaceAll(/[{}]/g, "");
}
