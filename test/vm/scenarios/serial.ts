import assert from "node:assert/strict";
import { ATTACH_LINES, type AttachWay, STOCK_TOOL } from "../attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const MIB = 1024 * 1024;

export function serialPort(cycles: number, way: AttachWay = STOCK_TOOL): Scenario {
  return {
    name: `1 MiB through /dev/ttyACM0 and back, and ${cycles} times opened and closed${way.words}`,
    timeoutMs: 60_000 + cycles * 500,
    expected: ATTACH_LINES,
    async run(guest) {
      const host = await ServedHost.start({ serial: "serial,serial=serial" });
      try {
        await guest.loadModule("cdc-acm");
        await way.attach(guest, host.port, ["serial"]);
        const path = "/dev/ttyACM0";
        await guest.waitFor("the port", `test -c ${path}`);
        await guest.shell(`stty -F ${path} raw -echo`);
        const exchange = (bytes: number): Promise<unknown> =>
          guest.call("test/vm/guest/serial.js", "exchange", [path, bytes]);
        assert.equal(await exchange(MIB), -1);
        await guest.call("test/vm/guest/serial.js", "openAndClose", [path, cycles], 30_000 + cycles * 500);
        assert.equal(await exchange(1000), -1);
        assert.deepEqual(host.endings, []);
        await way.detachAll(guest);
      } finally {
        await host.stop();
      }
    },
  };
}
