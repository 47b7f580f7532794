import { CompletionRounds } from "../usb/completion-rounds.ts";
import { answerIn } from "../usb/control-data.ts";
import type { Descriptors } from "../usb/descriptor-walk.ts";
import type { BufferPool, OpenError, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import { Setup } from "../usb/setup.ts";
import { TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { ClaimedDevice } from "./claimed-device.ts";
import type { DeviceCalls } from "./device-calls.ts";
import type { ClaimKeeper } from "./driver-claim.ts";
import type { HardwareDevice } from "./hardware-device.ts";
import { HostCalls } from "./host-calls.ts";
import { StateRequest, stateRequest } from "./state-request.ts";
import type { ClosablePool, SystemDevice } from "./system-device.ts";
import { STALLED, ToldDescriptors } from "./told-descriptors.ts";
import { Traffic } from "./traffic.ts";
import type { Transfer } from "./transfer.ts";

/** URBs of a device that is going away come back one after the other. */
const LOOK_AGAIN_MS = 5;

/** A device from `open` to `close`. */
export class OpenDevice<C extends DeviceCalls = DeviceCalls> {
  readonly #hardware: HardwareDevice;
  readonly #host: UsbHost;
  readonly #loop: Loop;
  readonly #system: SystemDevice<C>;
  readonly #noMemory: () => void;
  readonly #rounds: CompletionRounds;
  readonly #calls: HostCalls<C>;
  readonly #claimed: ClaimedDevice<C>;
  /** What the sink knows of: a device that was reset is unconfigured. */
  readonly #map: EndpointMap;
  #traffic: Traffic<C> | undefined;
  #memory: ClosablePool | undefined;
  #watching: Cancellable | undefined;
  /** Until the first reset is over. */
  #told: ToldDescriptors | undefined;
  /** Nothing was changed or sent since the last reset or SET_CONFIGURATION. */
  #isFresh = true;
  #isClosing = false;
  #isGone = false;
  #discardIsDue = false;

  /** `noMemory` runs when the system has none for a URB. */
  constructor(
    hardware: HardwareDevice,
    descriptors: Descriptors,
    host: UsbHost,
    loop: Loop,
    system: SystemDevice<C>,
    claims: ClaimKeeper | undefined,
    noMemory: () => void,
  ) {
    this.#hardware = hardware;
    this.#host = host;
    this.#loop = loop;
    this.#system = system;
    this.#noMemory = noMemory;
    this.#rounds = new CompletionRounds(host, loop);
    this.#map = new EndpointMap(descriptors, hardware.speed);
    this.#calls = new HostCalls(system.calls, loop, {
      began: () => this.#hold(),
      ended: () => this.#look(),
      idle: () => this.#release(),
    });
    this.#claimed = new ClaimedDevice(hardware, descriptors, this.#calls, claims);
  }

  get configuration(): number {
    return this.#map.configuration;
  }

  get memory(): BufferPool | undefined {
    return this.#memory;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  open(done: (refused?: OpenError) => void): void {
    this.#claimed.open((refused) => {
      if (refused !== undefined) {
        this.#free();
        done(refused);
        return;
      }
      const { table, partBytes, memory } = this.#system.carry(this.#noMemory);
      this.#memory = memory;
      this.#traffic = new Traffic(table, this.#map, this.#rounds, partBytes, {
        due: (transfer) => this.#perform(transfer),
        told: (urb) => this.#toldTo(urb),
        cancelled: () => this.#discardSoon(),
      });
      this.#traffic.hold();
      const told = new ToldDescriptors(this.#hardware);
      this.#told = told;
      done();
      told.read(this.#calls, () => {
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
          place = this.#claimed.reset(calls);
        },
        (calls) => {
          this.#map.configure(0);
          this.#isFresh = calls.worked(place);
          const status = calls.status(place);
          done(status);
          if (status === TransferStatus.disconnected && !this.#isGone) this.#lost();
        },
      );
    });
  }

  close(done: () => void): void {
    this.#isClosing = true;
    this.#endAll(() => {
      this.#unwatch();
      this.#memory?.close();
      this.#claimed.giveBack(this.#isGone, () => {
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
        place = this.#claimed.reset(calls);
      },
      (calls) => {
        this.#told = undefined;
        if (!calls.worked(place) && !this.#isGone) this.#lost();
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
    this.#calls.run((calls) => this.#traffic!.discard(calls), then);
  }

  /** One call for all that is cancelled until it is made. */
  #discardSoon(): void {
    if (this.#discardIsDue) return;
    this.#discardIsDue = true;
    this.#calls.run(
      (calls) => {
        this.#discardIsDue = false;
        this.#traffic!.discard(calls);
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
        // Linux ends them, whether the device then agrees or not.
        this.#endOf((urb) => this.#map.find(urb.endpoint)?.interfaceNumber === number);
        const alternate = Setup.wValue(setup, 0);
        this.#ask(transfer, (calls) => {
          this.#traffic!.discard(calls);
          return calls.setInterface(number, alternate);
        });
        break;
      }
      case StateRequest.clearHalt: {
        const endpoint = Setup.wIndex(setup, 0);
        this.#ask(transfer, (calls) => calls.clearHalt(endpoint));
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
    const isActive = value === this.#claimed.configuration;
    if (isActive && this.#isFresh) {
      this.#answer(transfer, TransferStatus.ok);
    } else if (value === 0) {
      this.#endOf(() => true);
      this.#discard(() => this.#answer(transfer, TransferStatus.ok));
    } else if (this.#map.has(value)) {
      this.#endOf(() => true);
      this.#ask(transfer, (calls) => {
        this.#traffic!.discard(calls);
        return this.#claimed.reconfigure(calls, value);
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

  /** Makes the host call for a request; where the system refuses, the device itself is asked, and answers. */
  #ask(transfer: Transfer, fill: (calls: C) => number): void {
    const { setup } = transfer.urb;
    const isConfiguration = transfer.request === StateRequest.setConfiguration;
    const value = Setup.wValue(setup, 0) & 0xff;
    let place = 0;
    this.#calls.run(
      (calls) => {
        place = fill(calls);
      },
      (calls) => {
        const worked = calls.worked(place);
        if (worked && isConfiguration) {
          this.#claimed.reconfigured(value);
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
    this.#watching ??= this.#system.watch(this.#loop, () => this.#look());
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

  #free(): void {
    this.#traffic = undefined;
    this.#system.free();
  }
}

/** Requests that only read, and SET_CONFIGURATION, which is looked at when it is due. */
function leavesFresh(setup: Uint8Array): boolean {
  return (setup[0]! & 0x80) !== 0 || stateRequest(setup) === StateRequest.setConfiguration;
}
