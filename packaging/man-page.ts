import type { CommandOutline, OutlinedOption } from "../src/cli/command-outline.ts";

/** The manual page of all commands (man(7)), from what their help says. */
export function manPage(root: CommandOutline, version: string): string {
  return `.TH USBFERRY 1 "" ${quoted(`usbferry ${version}`)} "User Commands"
.SH NAME
usbferry \\- ${roff(lowered(root.description))}
.SH SYNOPSIS
.B usbferry
.I COMMAND
.RI [ OPTION ...]
.SH DESCRIPTION
A device lives at a host, which shares it with
.BR "usbferry serve" ,
and appears in a guest, which takes it with
.BR "usbferry attach" .
Each command tells about itself with
.BR \\-\\-help .
.SH COMMANDS
${root.commands.map((command) => section(command)).join("\n")}
.SH NOTES
${paragraphs(root.notes)}
.SH FILES
.TP
.I /etc/usbferry/usbferry.yaml
the configuration of the host that runs as a service
.TP
.I /var/lib/usbferry
rules, binds, wishes and paired machines; for other users than root in their state folder
.TP
.IR /run/usbferry/serve.sock ", " /run/usbferry/agent.sock
where a running host and a running agent are controlled
`;
}

function section(command: CommandOutline): string {
  const { path, usage, description, options, notes, commands } = command;
  const own = options.filter(({ flags }) => !flags.includes("--help"));
  return [
    `.SS ${quoted(`usbferry ${path.join(" ")} ${usage.replace(/^\[options\] ?/, "")}`.trim())}`,
    roff(sentence(description)),
    ...own.map(entry),
    ...(notes === "" ? [] : [".PP", paragraphs(notes)]),
    ...commands.map((sub) => section(sub)),
  ].join("\n");
}

function entry({ flags, placeholder, description, choices }: OutlinedOption): string {
  const names = flags.map((flag) => `\\fB${roff(flag)}\\fR`).join(", ");
  const value = placeholder === "" ? "" : ` \\fI${roff(placeholder)}\\fR`;
  const among = choices.length === 0 ? "" : ` (one of ${choices.join(", ")})`;
  return `.TP\n${names}${value}\n${roff(description + among)}`;
}

/** Lines that are indented are shown as they are. */
function paragraphs(text: string): string {
  return text
    .split("\n")
    .map((line) => {
      if (line === "") return ".PP";
      return /^ {2}|: {2,}/.test(line) ? `.br\n${roff(line.trim())}\n.br` : roff(line);
    })
    .join("\n");
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

function lowered(text: string): string {
  return `${text[0]!.toLowerCase()}${text.slice(1).replace(/\.$/, "")}`;
}

function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', "\\(dq")}"`;
}

/** A backslash, a hyphen that is to be copied, and a line that would be a request. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("`", "\\(ga")
    .replaceAll(/^[.']/gm, "\\&$&");
}
