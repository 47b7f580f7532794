import { parseAddress } from "../../links/address.ts";
import { WrongUsage } from "../failure.ts";
import { MARK, type Program, type ServiceFile, type ServicePlan } from "./service-file.ts";

export const UNIT_FOLDER = "/etc/systemd/system";

/** Where people keep programs that are their own. */
const HOMES = /^\/(home|root|run\/user)\//;

const SHARED_LIMITS = `\
# Both parts keep their sockets in one folder; the state is theirs alone.
RuntimeDirectory=usbferry
RuntimeDirectoryMode=0750
RuntimeDirectoryPreserve=yes
StateDirectory=usbferry
StateDirectoryMode=0700
UMask=0077

# root owns device nodes and sysfs; it needs none of its other powers.
CapabilityBoundingSet=
NoNewPrivileges=yes
LockPersonality=yes
PrivateMounts=yes
# The compiler of JavaScript makes code while it runs.
MemoryDenyWriteExecute=no
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_VSOCK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM`;

/** The units of a part. Throws WrongUsage for a socket that systemd cannot open. */
export function systemdUnits(plan: ServicePlan): readonly ServiceFile[] {
  return plan.part === "agent" ? [agentUnit(plan.program)] : hostUnits(plan);
}

/** Their names, in the order in which they are started. */
export function unitNames(plan: ServicePlan): readonly string[] {
  if (plan.part === "agent") return ["usbferry-agent.service"];
  return plan.sockets.length === 0 ? ["usbferry.service"] : ["usbferry.socket"];
}

function hostUnits({ program, config, sockets }: ServicePlan): readonly ServiceFile[] {
  const isActivated = sockets.length > 0;
  const service = unit("usbferry.service", {
    Unit: `\
Description=usbferry host: shares USB devices
Documentation=man:usbferry(1)
After=network-online.target
Wants=network-online.target${isActivated ? "\nRequires=usbferry.socket" : ""}`,
    Service: `\
Type=notify
ExecStart=${commandOf(program, "serve", "--config", config)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1
# A host whose event loop does not turn is started again.
WatchdogSec=60
TimeoutStartSec=60
TimeoutStopSec=30
${SHARED_LIMITS}

# USB devices, and terminals for gadgets that have one; no other device.
DevicePolicy=closed
DeviceAllow=char-usb_device rw
DeviceAllow=char-pts rw
DeviceAllow=/dev/ptmx rw
PrivateTmp=yes
ProtectHome=${HOMES.test(program.script) || HOMES.test(program.runtime[0]!) ? "read-only" : "yes"}
ProtectKernelTunables=yes
ProtectSystem=strict`,
    Install: isActivated ? "Also=usbferry.socket" : "WantedBy=multi-user.target",
  });
  if (!isActivated) return [service];
  return [
    unit("usbferry.socket", {
      Unit: "Description=usbferry host: where clients connect\nDocumentation=man:usbferry(1)",
      Socket: `${sockets.map((address) => `ListenStream=${streamOf(address)}`).join("\n")}\nSocketMode=0660`,
      Install: "WantedBy=sockets.target",
    }),
    service,
  ];
}

function agentUnit(program: Program): ServiceFile {
  return unit("usbferry-agent.service", {
    Unit: `\
Description=usbferry agent: USB devices of other machines
Documentation=man:usbferry(1)
After=network-online.target
Wants=network-online.target`,
    Service: `\
Type=notify
# With all powers: the module that takes devices is not loaded by itself.
ExecStartPre=+/sbin/modprobe vhci-hcd
ExecStart=${commandOf(program, "agent")}
# It ends well when there is nothing to do; the next command starts it again.
Restart=on-failure
RestartSec=1
WatchdogSec=60
TimeoutStopSec=30
${SHARED_LIMITS}

# Hooks run with the same limits, and flash boards and copy files: devices, home folders and /var stay theirs.
ProtectSystem=full
# The kernel is given devices through sysfs.
ProtectKernelTunables=no`,
    Install: "WantedBy=multi-user.target",
  });
}

function unit(name: string, sections: Readonly<Record<string, string>>): ServiceFile {
  const text = Object.entries(sections).map(([section, lines]) => `[${section}]\n${lines}\n`);
  return { path: `${UNIT_FOLDER}/${name}`, text: `# ${MARK}\n\n${text.join("\n")}` };
}

/** As systemd.service(5) quotes a command line. */
function commandOf({ runtime, script }: Program, ...args: readonly string[]): string {
  return [...runtime, script, ...args].map(quoted).join(" ");
}

function quoted(word: string): string {
  const escaped = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%$+=:,./-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** An address as systemd.socket(5) writes it. */
function streamOf(text: string): string {
  const address = parseAddress(text);
  if (!("kind" in address)) throw new WrongUsage(address.message);
  switch (address.kind) {
    case "tcp":
    case "tls": {
      const host = address.host === "localhost" ? "127.0.0.1" : address.host;
      return host.includes(":") ? `[${host}]:${address.port}` : `${host}:${address.port}`;
    }
    case "unix":
    case "ring":
      return address.path;
    case "vsock":
      return `vsock:${address.cid ?? ""}:${address.port}`;
    default:
      throw new WrongUsage(
        `"${text}": systemd opens no socket of the kind ${address.kind}:. Leave --socket away; the host opens it itself.`,
      );
  }
}
