/** Boots a guest, prints the process id of its QEMU and waits: for the test that kills us. */
import { prepareTestBed } from "./test-bed.ts";

const bed = await prepareTestBed();
const guest = await bed.boot({ kernel: "6.12" });
console.log(guest.processId);
setInterval(() => {}, 1000);
