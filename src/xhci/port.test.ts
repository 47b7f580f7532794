import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldDevice } from "../../test/support/held-device.ts";
import { type DriverSlot, XhciDriver } from "../../test/support/xhci-driver.ts";
import { Keyboard } from "../gadgets/keyboard.ts";
import { Zero } from "../gadgets/zero.ts";
import { Speed } from "../usb/speed.ts";
import { TransferStatus } from "../usb/urb.ts";

const LWS = 1 << 16;
const [CSC, WRC, PRC, PLC] = [1 << 17, 1 << 19, 1 << 21, 1 << 22] as const;

function plugged(speed: Speed, port: number): XhciDriver {
  const driver = new XhciDriver();
  assert.equal(driver.plug(new Zero({ speed })), port);
  driver.start();
  driver.events();
  return driver;
}

function link(driver: XhciDriver, port: number): number {
  return (driver.portsc(port) >> 5) & 15;
}

test("ports show what is plugged in as drivers expect it", () => {
  const driver = new XhciDriver();
  assert.equal(driver.portsc(1), 0x2a0);
  assert.equal(driver.portsc(16), 0x2a0);
  driver.plug(new Zero({ speed: Speed.high }));
  driver.plug(new Keyboard({ speed: Speed.low }));
  driver.plug(new Zero({ speed: Speed.full }));
  driver.plug(new Zero({ speed: Speed.super }));
  assert.equal(driver.portsc(1), 0x0002_0ee1);
  assert.equal(driver.portsc(2), 0x0002_0ae1);
  assert.equal(driver.portsc(3), 0x0002_06e1);
  assert.equal(driver.portsc(9), 0x0002_1203);
});

test("a reset enables a port and is told of", () => {
  const driver = plugged(Speed.high, 1);
  driver.write(0x440, 0x210);
  driver.loop.settle();
  assert.equal(driver.portsc(1), 0x0022_0e03);
  driver.write(0x440, 0x200 | (0x7f << 17));
  assert.equal(driver.portsc(1), 0x0000_0e03);
});

test("a warm reset of a super speed port says so", () => {
  const driver = plugged(Speed.super, 9);
  driver.writePortsc(9, 0x7f << 17);
  driver.writePortsc(9, 1 << 31);
  driver.loop.settle();
  assert.equal(driver.portsc(9) & (WRC | PRC), WRC | PRC);
  assert.equal(driver.portsc(9) & 0x1fff, 0x1203);
});

test("PR stays set until the device has been reset", () => {
  const driver = new XhciDriver();
  const device = new HeldDevice();
  driver.plug(device);
  driver.start();
  driver.writePortsc(1, 1 << 4);
  driver.loop.settle();
  assert.equal(driver.portsc(1) & 0x12, 0x10);
  device.resets[0]!(TransferStatus.ok);
  assert.equal(driver.portsc(1) & 0x12, 0x02);
  driver.writePortsc(1, 1 << 4);
  driver.loop.settle();
  assert.equal(device.resets.length, 1, "nothing has happened that a second reset would undo");
  assert.equal(driver.portsc(1) & PRC, PRC);
});

test("changes are one event until the driver has cleared all of them", () => {
  const driver = plugged(Speed.high, 1);
  driver.writePortsc(1, CSC);
  driver.controller.unplug(1, () => {});
  driver.plug(new Zero());
  assert.equal(driver.events().length, 1);
  driver.writePortsc(1, CSC);
  driver.writePortsc(1, 1 << 4);
  assert.deepEqual(
    driver.events().map(({ type, pointer, code }) => ({ type, pointer, code })),
    [{ type: 34, pointer: 1 << 24, code: 1 }],
  );
  assert.equal(driver.usbsts & 0x10, 0x10, "PCD");
});

test("an empty port cannot be reset or enabled", () => {
  const driver = plugged(Speed.high, 1);
  driver.writePortsc(2, 1 << 4);
  driver.writePortsc(2, LWS);
  driver.loop.settle();
  assert.equal(driver.portsc(2), 0x2a0);
});

test("a disabled port stays connected; a super speed one is enabled by its link", () => {
  const high = plugged(Speed.high, 1);
  high.resetPort(1);
  high.writePortsc(1, 2);
  assert.equal(high.portsc(1) & 3, 1);
  const superSpeed = plugged(Speed.super, 9);
  superSpeed.writePortsc(9, 2);
  assert.equal(link(superSpeed, 9), 4);
  superSpeed.writePortsc(9, LWS | (5 << 5));
  assert.equal(superSpeed.portsc(9) & 3, 3);
  assert.equal(link(superSpeed, 9), 0);
});

test("a USB 2 port is suspended, and resumed by its driver", () => {
  const driver = plugged(Speed.high, 1);
  driver.resetPort(1);
  driver.writePortsc(1, LWS | (3 << 5));
  assert.equal(link(driver, 1), 3);
  assert.equal(driver.portsc(1) & PLC, 0);
  driver.writePortsc(1, LWS | (15 << 5));
  assert.equal(link(driver, 1), 15);
  assert.deepEqual(driver.events(), []);
  driver.writePortsc(1, LWS);
  assert.equal(link(driver, 1), 0);
  assert.equal(driver.portsc(1) & PLC, PLC);
  assert.equal(driver.events().length, 1);
});

test("a USB 3 port is resumed by one write", () => {
  const driver = plugged(Speed.super, 9);
  driver.resetPort(9);
  driver.writePortsc(9, LWS | (3 << 5));
  assert.equal(link(driver, 9), 3);
  driver.writePortsc(9, LWS);
  assert.equal(link(driver, 9), 0);
  assert.equal(driver.portsc(9) & PLC, PLC);
});

test("PORTPMSC keeps what is written", () => {
  const driver = plugged(Speed.super, 9);
  driver.write(0x440 + 8 * 16 + 4, 0x1234);
  assert.equal(driver.read(0x440 + 8 * 16 + 4), 0x1234);
});

test("the ninth device of a speed finds no port, and hears why", () => {
  const driver = new XhciDriver();
  for (let i = 0; i < 8; i++) driver.plug(new Zero());
  let message = "";
  const port = driver.controller.plug(new Zero(), undefined, (refused) => {
    message = refused!.message;
  });
  assert.equal(port, undefined);
  assert.match(message, /ports 1 to 8 are for its speed.*unplug another/);
});

test("a device goes to the port that is wished for, if that is of its speed and free", () => {
  const driver = new XhciDriver();
  assert.equal(driver.plug(new Zero(), 5), 5);
  for (const wished of [5, 9, 17, 0]) {
    let reason = "";
    driver.controller.plug(new Zero(), wished, (refused) => {
      reason = refused!.reason;
    });
    assert.equal(reason, "busy");
  }
});

test("a device that refuses to be opened leaves its port free", () => {
  const driver = new XhciDriver();
  const device = new HeldDevice();
  device.refusal = { reason: "denied", message: "no" };
  let reason = "";
  driver.controller.plug(device, 3, (refused) => {
    reason = refused!.reason;
  });
  assert.equal(reason, "denied");
  assert.equal(driver.portsc(3), 0x2a0);
  assert.equal(driver.plug(new Zero(), 3), 3);
});

test("a device that is unplugged at its source leaves its port, and is given back", () => {
  const left: number[] = [];
  const driver = new XhciDriver({ left: (port) => left.push(port) });
  const device = new HeldDevice();
  driver.plug(device);
  driver.start();
  driver.events();
  driver.writePortsc(1, CSC);
  device.unplug();
  assert.equal(driver.portsc(1), 0x2a0 | CSC);
  assert.equal(driver.events()[0]!.type, 34);
  assert.equal(device.closed, 1);
  assert.deepEqual(left, [1]);
});

test("the controller gives all devices back", () => {
  const driver = new XhciDriver();
  const devices = [new HeldDevice(), new HeldDevice()];
  for (const device of devices) driver.plug(device);
  let closed = false;
  driver.controller.close(() => {
    closed = true;
  });
  assert.ok(closed);
  assert.deepEqual(
    devices.map((device) => device.closed),
    [1, 1],
  );
});

/** DCI of the interrupt endpoint of `HeldDevice`. */
const INTERRUPT_IN = 5;

/** A device that sleeps at a suspended port and may wake its guest up. */
function asleep(feature: readonly number[]): { driver: XhciDriver; device: HeldDevice; slot: DriverSlot } {
  const driver = new XhciDriver();
  const device = new HeldDevice();
  driver.plug(device);
  driver.start();
  driver.events();
  driver.writePortsc(1, 1 << 4);
  driver.loop.settle();
  device.resets[0]!(TransferStatus.ok);
  driver.writePortsc(1, 0x7f << 17);
  driver.events();
  const slot = driver.addressed(1, device.descriptors, device.speed, 1);
  assert.equal(driver.configure(slot).code, 1);
  const [low, high] = [Buffer.from(feature).readInt32LE(0), Buffer.from(feature).readInt32LE(4)];
  slot.rings.get(1)!.push(low, high, 8, (2 << 10) | 0x40);
  slot.rings.get(1)!.push(0, 0, 0, (4 << 10) | 0x20 | (1 << 16));
  driver.doorbell(slot.id, 1);
  driver.loop.settle();
  device.finish(device.held[0]!);
  driver.events();
  driver.stopEndpoint(slot, 1);
  driver.stopEndpoint(slot, INTERRUPT_IN);
  driver.writePortsc(1, LWS | (3 << 5));
  driver.loop.settle();
  return { driver, device, slot };
}

const REMOTE_WAKEUP = [0x00, 3, 1, 0, 0, 0, 0, 0];

test("a suspended device that has something to say wakes its guest up, which then hears it", () => {
  const { driver, device, slot } = asleep(REMOTE_WAKEUP);
  assert.deepEqual(
    device.held.map(({ endpoint, length }) => ({ endpoint, length })),
    [{ endpoint: 0x82, length: 64 }],
  );
  device.finish(device.held[0]!, TransferStatus.ok, Uint8Array.of(1, 2, 3));
  assert.equal(link(driver, 1), 15);
  assert.equal(driver.portsc(1) & PLC, PLC);
  assert.equal(driver.events()[0]!.type, 34);
  driver.writePortsc(1, PLC);
  driver.writePortsc(1, LWS);
  assert.equal(link(driver, 1), 0);
  assert.equal(driver.portsc(1) & PLC, PLC);
  driver.events();
  const buffer = driver.allocate(64);
  slot.rings.get(INTERRUPT_IN)!.pushAt(buffer, 64, (1 << 10) | 0x24);
  slot.rings.get(INTERRUPT_IN)!.pushAt(driver.allocate(64), 64, (1 << 10) | 0x24);
  driver.doorbell(slot.id, INTERRUPT_IN);
  assert.deepEqual(
    driver.events().map(({ code, length }) => ({ code, length })),
    [{ code: 13, length: 61 }],
  );
  assert.deepEqual([...driver.data(buffer, 4)], [1, 2, 3, 0]);
  assert.equal(device.held.length, 1, "the second TD is the device's");
});

test("a device that is woken by its driver has its endpoint back before the driver's next TD", () => {
  const { driver, device, slot } = asleep(REMOTE_WAKEUP);
  driver.writePortsc(1, LWS | (15 << 5));
  driver.writePortsc(1, LWS);
  slot.rings.get(INTERRUPT_IN)!.pushAt(driver.allocate(64), 64, (1 << 10) | 0x24);
  driver.doorbell(slot.id, INTERRUPT_IN);
  driver.loop.settle();
  assert.equal(device.held.length, 1);
  device.finish(device.held[0]!, TransferStatus.ok, Uint8Array.of(5));
  assert.equal(driver.events().at(-1)!.length, 63);
});

test("a device that may not wake its guest up is not read while it sleeps", () => {
  const { device } = asleep([0x00, 3, 2, 0, 0, 0, 0, 0]);
  assert.equal(device.held.length, 0);
});

test("a function that may wake its guest up does so too, until the driver forbids it", () => {
  assert.equal(asleep([0x01, 3, 0, 0, 0, 3, 0, 0]).device.held.length, 1);
  assert.equal(asleep([0x01, 3, 0, 0, 0, 1, 0, 0]).device.held.length, 0);
});

test("a sleeping device that goes, or whose slot goes, leaves nothing behind", () => {
  const gone = asleep(REMOTE_WAKEUP);
  gone.device.unplug();
  assert.equal(gone.driver.portsc(1) & 1, 0);
  const disabled = asleep(REMOTE_WAKEUP);
  assert.equal(disabled.driver.command(0, 0, 0, (10 << 10) | (disabled.slot.id << 24)).code, 1);
  assert.equal(disabled.device.held.length, 0);
});
