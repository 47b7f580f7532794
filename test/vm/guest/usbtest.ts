/**
 * Runs a test of the kernel's usbtest driver on an interface that it is bound to:
 * `node usbtest.js DEVNODE INTERFACE test iterations length vary sglen`, which prints one line of JSON.
 */
import { fileURLToPath } from "node:url";
import { UsbfsDevice } from "./usbfs.ts";

/** struct usbtest_param_32 (linux: drivers/usb/misc/usbtest.c) */
export interface UsbtestParameters {
  readonly test: number;
  readonly iterations: number;
  readonly length: number;
  readonly vary: number;
  readonly sglen: number;
}

export interface UsbtestResult {
  /** 0 where the test passed, else the errno: 95 (EOPNOTSUPP) where the device lacks the endpoints. */
  readonly errno: number;
  /** By the guest's clock. */
  readonly durationMs: number;
}

const USBTEST_REQUEST_32 = 0xc01c5564; // _IOWR('U', 100, struct usbtest_param_32)

export async function usbtest(
  node: string,
  interfaceNumber: number,
  test: UsbtestParameters,
): Promise<UsbtestResult> {
  const parameters = Buffer.alloc(28);
  for (const [index, value] of [test.test, test.iterations, test.length, test.vary, test.sglen].entries())
    parameters.writeUInt32LE(value, index * 4);
  const device = new UsbfsDevice(node);
  try {
    const result = await device.driverIoctl(interfaceNumber, USBTEST_REQUEST_32, parameters);
    const durationMs = parameters.readInt32LE(20) * 1000 + parameters.readInt32LE(24) / 1000;
    return { errno: result < 0 ? -result : 0, durationMs };
  } finally {
    device.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [node, interfaceNumber, ...values] = process.argv.slice(2);
  const [test, iterations, length, vary, sglen] = values.map(Number);
  if (node === undefined || sglen === undefined || values.some((value) => !/^\d+$/.test(value)))
    throw new Error("usage: usbtest.js DEVNODE INTERFACE test iterations length vary sglen");
  const result = await usbtest(node, Number(interfaceNumber), {
    test: test!,
    iterations: iterations!,
    length: length!,
    vary: vary!,
    sglen,
  });
  console.log(JSON.stringify(result));
}
