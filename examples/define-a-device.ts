/**
 * A thermometer: the host reads a line every second, may set the unit, and may ask for a reading at once.
 * In a checkout: `npm run build && node dist/examples/define-a-device.js`. Then attach it with any USB/IP client.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { share } from "usbferry";
import { defineDevice } from "usbferry/gadgets";

const READ_NOW = 0x01;
let unit = "C";

function reading(): Buffer {
  const celsius = 20 + 5 * Math.sin(Date.now() / 60_000);
  return Buffer.from(`${(unit === "F" ? celsius * 1.8 + 32 : celsius).toFixed(2)} ${unit}\n`);
}

const thermometer = defineDevice({
  product: "Thermometer",
  serial: "thermometer",
  endpoints: [
    {
      endpoint: 1,
      async send() {
        await sleep(1000);
        return reading();
      },
    },
    {
      endpoint: 2,
      receive(bytes) {
        const wanted = Buffer.from(bytes).toString("latin1").trim();
        if (wanted !== "C" && wanted !== "F") throw new Error(`there is no unit "${wanted}"`);
        unit = wanted;
      },
    },
  ],
  control: ({ bRequest }) => (bRequest === READ_NOW ? reading() : undefined),
});

const { address } = await share({ thermometer }, { listen: process.argv[2] ?? "tcp:127.0.0.1:3240" });
console.log(`A thermometer is shared on ${address}. Stop with Ctrl+C.`);
