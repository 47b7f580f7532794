/** Of commands that ask the host that runs here. */
export const CONTROL_OPTION = "the control socket of the host that runs here, if it is not the default one";

export interface ControlOption {
  readonly control?: string;
}

export const CONTROL_HELP = `\
A running host is controlled at a unix socket: /run/usbferry/serve.sock, for other users than root in
$XDG_RUNTIME_DIR/usbferry, or what USBFERRY_CONTROL names; two hosts need two. Whoever may use it may do what the
host may. Over TCP a token is needed, too; the path of its file is printed at the start.`;

/** Where a daemon is controlled, for a person who asked for it. */
export function controlled({
  control,
  tokenPath,
}: {
  readonly control: readonly string[];
  readonly tokenPath: string | undefined;
}): string {
  if (control.length === 0) return "";
  const token = tokenPath === undefined ? "" : ` The token for TCP is in ${tokenPath}.`;
  return `Controlled at ${control.join(" and ")}.${token}\n`;
}
