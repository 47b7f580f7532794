import { Failed } from "../failure.ts";
import { MARK, type ServiceFile, type ServicePlan } from "./service-file.ts";

const LABEL = "io.github.usbferry.host";
export const LAUNCHD_PATH = `/Library/LaunchDaemons/${LABEL}.plist`;

/** What launchd.plist(5) runs at boot. Experimental: no such machine has run it. */
export function launchdFile({ part, program: { runtime, script }, config }: ServicePlan): ServiceFile {
  if (part === "agent") {
    throw new Failed(
      "macOS has no kernel side that takes devices, so there is no agent to run. `host` shares them.",
    );
  }
  const words = [...runtime, script, "serve", "--config", config];
  return {
    path: LAUNCHD_PATH,
    text: `<?xml version="1.0" encoding="UTF-8"?>
<!-- ${MARK} -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${words.map((word) => `    <string>${escaped(word)}</string>`).join("\n")}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>StandardErrorPath</key>
  <string>/var/log/usbferry.log</string>
</dict>
</plist>
`,
  };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
