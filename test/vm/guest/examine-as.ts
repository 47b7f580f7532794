/**
 * examine-as UID ADDRESS...: looks at this machine as a user without rights does, once for each address, and prints the
 * diagnoses.
 */
import { examine } from "../../../src/daemon/doctor/examination.ts";

const [uid, ...addresses] = process.argv.slice(2);
process.setgroups!([]);
process.setgid!(Number(uid));
process.setuid!(Number(uid));
const diagnoses = await Promise.all(addresses.map((address) => examine({ address, side: "both" })));
process.stdout.write(JSON.stringify(diagnoses));
