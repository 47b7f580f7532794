import type { Libc } from "../../linux/libc.ts";
import { CompletionRounds } from "../../usb/completion-rounds.ts";
import { answerIn } from "../../usb/control-data.ts";
import type { Descriptors } from "../../usb/descriptor-walk.ts";
import type { OpenError, UsbHost } from "../../usb/device.ts";
import { EndpointMap } from "../../usb/endpoint-map.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import { Setup } from "../../usb/setup.ts";
import { TransferStatus, TransferType, type Urb } from "../../usb/urb.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { ClaimedNode } from "./claimed-node.ts";
import type { DeviceCalls } from "./device-calls.ts";
import { refusedStatus } from "./errno-status.ts";
import { HostCalls } from "./host-calls.ts";
import type { KernelUrbs } from "./kernel-urb.ts";
import { MappedPool } from "./mapped-pool.ts";
import { nameOf } from "./open-refusal.ts";
import { StateRequest, stateRequest } from "./state-request.ts";
import { STALLED, ToldDescriptors } from "./told-descriptors.ts";
import { Traffic } from "./traffic.ts";
import type { Transfer } from "./transfer.ts";
import { Capability } from "./usbdevfs.ts";
import type { UsbfsOptions } from "./usbfs-device.ts";

/** Most bytes of one kernel URB: where the controller takes pages that lie apart, and where it needs them in one piece. */
const PART_BYTES = { scattered: 1 << 20, adjacent: 128 << 10 };

/** Where mapped memory is cached as any other is; elsewhere it may not be, and reading it would take long. */
const MAPS = process.arch === "x64";

/** URBs of a device that is going away come back one after the other. */
const LOOK_AGAIN_MS = 5;

/** A device from `open` to `close`. */
export class OpenDevice {
  readonly #hardware: HardwareDevice;
  readonly #host: UsbHost;
  readonly #loop: Loop;
  readonly #libc: Libc;
  readonly #urbs: KernelUrbs;
  readonly #deviceCalls: DeviceCalls;
  readonly #options: UsbfsOptions;
  readonly #rounds: CompletionRounds;
  readonly #calls: HostCalls;
  readonly #node: ClaimedNode;
  /** What the sink knows of: a device that was reset is unconfigured. */
  readonly #map: EndpointMap;
  #traffic: Traffic | undefined;
  #memory: MappedPool | undefined;
  #watching: Cancellable | undefined;
  /** Until the first reset is over. */
  #told: ToldDescriptors | undefined;
  /** Nothing was changed or sent since the last reset or SET_CONFIGURATION. */
  #isFresh = true;
  #isClosing = false;
  #isGone = false;
  #discardIsDue = false;
  #hasWarned = false;

  constructor(
    hardware: HardwareDevice,
    descriptors: Descriptors,
    host: UsbHost,
    loop: Loop,
    libc: Libc,
    urbs: KernelUrbs,
    calls: DeviceCalls,
    options: UsbfsOptions,
  ) {
    this.#hardware = hardware;
    this.#host = host;
    this.#loop = loop;
    this.#libc = libc;
    this.#urbs = urbs;
    this.#deviceCalls = calls;
    this.#options = options;
    this.#rounds = new CompletionRounds(host, loop);
    this.#map = new EndpointMap(descriptors, hardware.speed);
    this.#calls = new HostCalls(calls, loop, {
      began: () => this.#hold(),
      ended: () => this.#look(),
      idle: () => this.#release(),
    });
    this.#node = new ClaimedNode(hardware, descriptors, this.#calls, options);
  }

  get configuration(): number {
    return this.#map.configuration;
  }

  get memory(): MappedPool | undefined {
    return this.#memory;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  open(done: (refused?: OpenError) => void): void {
    this.#node.open((refused) => {
      if (refused !== undefined) {
        this.#free();
        done(refused);
        return;
      }
      const { fd, capabilities } = this.#node;
      const isScattered = (capabilities & Capability.BULK_SCATTER_GATHER) !== 0;
      const partBytes = isScattered ? PART_BYTES.scattered : PART_BYTES.adjacent;
      this.#traffic = new Traffic(this.#libc, fd, this.#urbs, this.#map, this.#rounds, partBytes, {
        due: (transfer) => this.#perform(transfer),
        told: (urb) => this.#toldTo(urb),
        cancelled: () => this.#discardSoon(),
        noMemory: () => this.#warnOfMemory(),
      });
      this.#traffic.hold();
      if (MAPS && (capabilities & Capability.MMAP) !== 0) this.#memory = new MappedPool(fd);
      const told = new ToldDescriptors(this.#hardware);
      this.#told = told;
      done();
      told.read(this.#calls, fd, () => {
        // Closing resets it too.
        if (this.#isClosing) return;
        this.#traffic!.look();
        this.#firstReset();
      });
    });
  }

  submit(urb: Urb): void {
    this.#rounds.hold();
    this.#isFresh &&= urb.type === TransferType.control && leavesFresh(urb.setup);
    this.#traffic!.submit(urb);
    this.#rounds.release();
  }

  cancel(urb: Urb): void {
    this.#rounds.hold();
    this.#traffic!.cancel(urb);
    this.#rounds.release();
  }

  flush(): void {
    this.#rounds.flush();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#endAll(() => {
      if (this.#isGone) {
        done(TransferStatus.disconnected);
        return;
      }
      this.#traffic!.restart();
      let place = 0;
      this.#calls.run(
        (calls) => {
          place = this.#node.reset(calls);
        },
        (calls) => {
          const result = calls.list.result(place);
          this.#map.configure(0);
          this.#isFresh = result >= 0;
          done(result < 0 ? refusedStatus(-result) : TransferStatus.ok);
        },
      );
    });
  }

  close(done: () => void): void {
    this.#isClosing = true;
    this.#endAll(() => {
      this.#unwatch();
      this.#memory?.close();
      this.#node.giveBack(this.#isGone, () => {
        this.#free();
        done();
      });
    });
  }

  /**
   * What its driver has left in it would make every second attach fail: toggles, halts, half a command. The sink goes on
   * meanwhile, and what it submits waits: a guest's kernel takes as long to notice a new device.
   */
  #firstReset(): void {
    let place = 0;
    this.#calls.run(
      (calls) => {
        place = this.#node.reset(calls);
      },
      (calls) => {
        this.#told = undefined;
        if (calls.list.result(place) < 0 && !this.#isGone) this.#lost();
      },
    );
  }

  #toldTo(urb: Urb): TransferStatus | undefined {
    const told = this.#told?.answer(urb.setup);
    return told === STALLED ? TransferStatus.stall : told && answerIn(urb, told);
  }

  /** Everything has ended, and was delivered, when `then` runs. */
  #endAll(then: () => void): void {
    if (!this.#isGone) this.#traffic!.end(TransferStatus.cancelled);
    this.#discard(() => {
      if (this.#traffic!.isIdle) then();
      else this.#loop.after(LOOK_AGAIN_MS, () => this.#endAll(then));
    });
  }

  #discard(then: () => void): void {
    this.#calls.run((calls) => this.#traffic!.discard(calls.list), then);
  }

  /** One call for all that is cancelled until it is made. */
  #discardSoon(): void {
    if (this.#discardIsDue) return;
    this.#discardIsDue = true;
    this.#calls.run(
      (calls) => {
        this.#discardIsDue = false;
        this.#traffic!.discard(calls.list);
      },
      () => {},
    );
  }

  /** Carries out what the operating system has to know of. */
  #perform(transfer: Transfer): void {
    const { setup } = transfer.urb;
    switch (transfer.request) {
      case StateRequest.setConfiguration:
        this.#setConfiguration(transfer, Setup.wValue(setup, 0) & 0xff);
        break;
      case StateRequest.setInterface: {
        const number = Setup.wIndex(setup, 0);
        // The kernel ends them, whether the device then agrees or not.
        this.#endOf((urb) => this.#map.find(urb.endpoint)?.interfaceNumber === number);
        const alternate = Setup.wValue(setup, 0);
        this.#ask(transfer, (calls) => {
          this.#traffic!.discard(calls.list);
          return calls.setInterface(this.#node.fd, number, alternate);
        });
        break;
      }
      case StateRequest.clearHalt: {
        const endpoint = Setup.wIndex(setup, 0);
        this.#ask(transfer, (calls) => calls.clearHalt(this.#node.fd, endpoint));
        break;
      }
      case StateRequest.getConfiguration:
        // While the sink knows of no configuration the device has one all the same.
        if (this.#map.configuration === 0) this.#answer(transfer, answerIn(transfer.urb, Uint8Array.of(0)));
        else this.#answer(transfer, undefined);
        break;
      default:
        this.#answer(transfer, TransferStatus.stall);
    }
  }

  #setConfiguration(transfer: Transfer, value: number): void {
    const isActive = value === this.#node.configuration;
    if (isActive && this.#isFresh) {
      this.#answer(transfer, TransferStatus.ok);
    } else if (value === 0) {
      this.#endOf(() => true);
      this.#discard(() => this.#answer(transfer, TransferStatus.ok));
    } else if (this.#map.has(value)) {
      this.#endOf(() => true);
      this.#ask(transfer, (calls) => {
        this.#traffic!.discard(calls.list);
        return this.#node.reconfigure(calls, value);
      });
    } else {
      this.#answer(transfer, undefined);
    }
  }

  /** Ends transfers to endpoints that are about to change. */
  #endOf(picks: (urb: Urb) => boolean): void {
    this.#traffic!.endSome(
      (urb) => urb.type !== TransferType.control && picks(urb),
      TransferStatus.cancelled,
    );
  }

  /** Makes the host call for a request; where the kernel refuses, the device itself is asked, and answers. */
  #ask(transfer: Transfer, fill: (calls: DeviceCalls) => number): void {
    const { setup } = transfer.urb;
    const isConfiguration = transfer.request === StateRequest.setConfiguration;
    const value = Setup.wValue(setup, 0) & 0xff;
    let place = 0;
    this.#calls.run(
      (calls) => {
        place = fill(calls);
      },
      (calls) => {
        const worked = calls.list.result(place) >= 0;
        if (worked && isConfiguration) {
          this.#node.reconfigured(value);
          this.#isFresh = true;
        }
        this.#answer(transfer, worked ? TransferStatus.ok : undefined);
      },
    );
  }

  #answer(transfer: Transfer, status: TransferStatus | undefined): void {
    this.#traffic!.performed(transfer, this.#isGone ? TransferStatus.disconnected : status);
  }

  /** A call holds the device's lock: submitting, reaping and cancelling would wait for it. */
  #hold(): void {
    this.#traffic?.hold();
    this.#unwatch();
  }

  #release(): void {
    if (this.#traffic === undefined) return;
    if (!this.#isGone) this.#watch();
    this.#traffic.release();
    this.#rounds.flush();
  }

  #watch(): void {
    this.#watching ??= this.#loop.watch(this.#node.fd, "writable", () => this.#look());
  }

  #unwatch(): void {
    this.#watching?.cancel();
    this.#watching = undefined;
  }

  /** Takes what has ended. */
  #look(): void {
    const traffic = this.#traffic;
    if (traffic === undefined) return;
    if (!traffic.reap() && !this.#isGone) this.#lost();
    this.#rounds.flush();
  }

  #lost(): void {
    this.#isGone = true;
    this.#unwatch();
    this.#traffic!.end(TransferStatus.disconnected);
    this.#awaitEnds();
  }

  #awaitEnds(): void {
    if (this.#isClosing) return;
    if (this.#traffic!.isIdle) {
      this.#rounds.settle(() => {
        if (!this.#isClosing) this.#host.unplugged();
      });
    } else {
      this.#loop.after(LOOK_AGAIN_MS, () => {
        this.#look();
        this.#awaitEnds();
      });
    }
  }

  #warnOfMemory(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.warn?.(
      "USBFS_MEMORY",
      `${nameOf(this.#hardware)}: the kernel gives usbfs no more memory, so fewer transfers are in flight, or some end as ` +
        "no memory. Raise the limit, in MiB, in /sys/module/usbcore/parameters/usbfs_memory_mb: " +
        "`echo 1000 | sudo tee /sys/module/usbcore/parameters/usbfs_memory_mb`.",
    );
  }

  #free(): void {
    this.#traffic = undefined;
    this.#urbs.close();
    this.#deviceCalls.close();
  }
}

/** Requests that only read, and SET_CONFIGURATION, which is looked at when it is due. */
function leavesFresh(setup: Uint8Array): boolean {
  return (setup[0]! & 0x80) !== 0 || stateRequest(setup) === StateRequest.setConfiguration;
}
