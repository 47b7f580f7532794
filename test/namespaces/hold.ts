/**
 * A guest without a kernel: imports a device and keeps it, `node hold.js ADDRESS BUSID`. Prints `imported`, and how the
 * session ended.
 */
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { dialPlace } from "../../src/daemon/place.ts";
import { RemoteHosts } from "../../src/daemon/remote-hosts.ts";
import { RemoteSearch } from "../../src/daemon/remote-search.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";
import { Trust } from "../../src/daemon/trust.ts";

const [address = "", busid = ""] = process.argv.slice(2);
const loop = new LibuvLoop();
const hosts = new RemoteHosts(loop, new Trust(new StateFolder()));
const search = new RemoteSearch(dialPlace(address), hosts, loop, new AbortController().signal);
const { remote } = await search.import({ by: "busid", busid });
console.log("imported");
const { code, reason } = await remote.ended;
console.log(`ended ${code} ${reason}`);
process.exit();
