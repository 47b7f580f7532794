import { closeSync } from "node:fs";
import { constants } from "node:os";
import { copyBytes } from "../wire/copy-bytes.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { MAPS_MAX } from "./dma-table.ts";
import { tellDevice, tellIrqs, tellRegion } from "./information.ts";
import {
  Command,
  DATA_MAX,
  DeviceInfo,
  DmaFlag,
  DmaMap,
  DmaUnmap,
  FDS_MAX,
  Header,
  IrqInfo,
  MESSAGE_MAX,
  MessageFlag,
  RegionAccess,
  RegionInfo,
  SetIrqs,
  SINGLE_WRITE_BYTES,
  UnmapFlag,
  VERSION,
  Version,
  WriteMulti,
} from "./messages.ts";
import type { PciFunction } from "./pci-function.ts";
import { type Descriptors, setIrqs } from "./set-irqs.ts";

const { EINVAL, ENOTSUP } = constants.errno;
const DONE = 0;
/** A register that is not there reads as ones. */
const ONES = 0xff;
const PAGE = 4096;

/** No longer than what QEMU proposes itself: it takes no longer reply. */
const CAPABILITIES = new TextEncoder().encode(
  `${JSON.stringify({
    capabilities: {
      max_msg_fds: FDS_MAX,
      max_data_xfer_size: DATA_MAX,
      max_dma_maps: MAPS_MAX,
      pgsizes: PAGE,
      write_multiple: true,
    },
  })}\0`,
);

/** Bytes of what is answered behind the header, where it has always the same. */
const REPLY_BYTES: ReadonlyMap<number, number> = new Map([
  [Command.VERSION, Version.size + CAPABILITIES.length],
  [Command.DMA_UNMAP, DmaUnmap.size],
  [Command.DEVICE_GET_INFO, DeviceInfo.size],
  [Command.DEVICE_GET_REGION_INFO, RegionInfo.size],
  [Command.DEVICE_GET_IRQ_INFO, IrqInfo.size],
  [Command.REGION_READ, RegionAccess.size],
  [Command.REGION_WRITE, RegionAccess.size],
  [Command.REGION_WRITE_MULTI, WriteMulti.size],
]);

/**
 * The server's side of vfio-user for one client: messages with their descriptors in, replies out. What fails is answered with an
 * error and all the bytes that a success would have: Cloud Hypervisor waits for them whatever the header says.
 */
export class Session {
  /** What `handle` answers, in one piece: QEMU wants to read a header at once. */
  readonly reply = new Uint8Array(MESSAGE_MAX);
  readonly #function: PciFunction;
  #isGreeted = false;
  /** Bytes of the reply behind its header. */
  #length = 0;

  constructor(pciFunction: PciFunction) {
    this.#function = pciFunction;
  }

  /** A whole message. Answers the bytes of its reply, which may be 0, or why the connection has to end. Owns the descriptors. */
  handle(bytes: Uint8Array, at: number, size: number, fds: Descriptors): number | ProtocolError {
    const answered = this.#handle(bytes, at, size, fds);
    if (fds !== undefined) for (const fd of fds) if (fd !== undefined) closeSync(fd);
    return answered;
  }

  /** The client is gone. */
  end(): void {
    this.#function.abandon();
  }

  #handle(bytes: Uint8Array, at: number, size: number, fds: Descriptors): number | ProtocolError {
    const flags = Header.flags(bytes, at);
    const command = Header.command(bytes, at);
    if ((flags & MessageFlag.typeMask) !== 0) {
      return new ProtocolError("BAD_COMMAND", `a reply to command ${command}, and nothing was asked`);
    }
    if (!this.#isGreeted && command !== Command.VERSION) {
      return new ProtocolError("BAD_COMMAND", `command ${command} before VERSION`);
    }
    this.#length = REPLY_BYTES.get(command) ?? 0;
    this.reply.fill(0, 0, Header.size + this.#length);
    const error = this.#perform(command, bytes, at + Header.size, size - Header.size, fds);
    const isAccess = command === Command.REGION_READ || command === Command.REGION_WRITE;
    if ((flags & MessageFlag.noReply) !== 0) {
      if (isAccess) this.#function.accesses.posted++;
      return 0;
    }
    if (isAccess) this.#function.accesses.answered++;
    const { reply } = this;
    Header.put.message_id(reply, 0, Header.message_id(bytes, at));
    Header.put.command(reply, 0, command);
    Header.put.message_size(reply, 0, Header.size + this.#length);
    Header.put.flags(reply, 0, error === DONE ? MessageFlag.reply : MessageFlag.reply | MessageFlag.error);
    Header.put.error(reply, 0, error);
    return Header.size + this.#length;
  }

  /** Answers a number of an error. The `length` bytes at `at` are behind the header. */
  #perform(command: number, bytes: Uint8Array, at: number, length: number, fds: Descriptors): number {
    switch (command) {
      case Command.REGION_READ:
        return length < RegionAccess.size ? EINVAL : this.#read(bytes, at);
      case Command.REGION_WRITE:
        return length < RegionAccess.size ? EINVAL : this.#write(bytes, at, length);
      case Command.REGION_WRITE_MULTI:
        return length < WriteMulti.size ? EINVAL : this.#writeMulti(bytes, at, length);
      case Command.VERSION:
        return length < Version.size ? EINVAL : this.#greet(bytes, at);
      case Command.DMA_MAP:
        return length < DmaMap.size ? EINVAL : this.#map(bytes, at, fds);
      case Command.DMA_UNMAP:
        return length < DmaUnmap.size ? EINVAL : this.#unmap(bytes, at);
      case Command.DEVICE_GET_INFO:
        return tellDevice(this.reply, Header.size);
      case Command.DEVICE_GET_REGION_INFO:
        return length < RegionInfo.size
          ? EINVAL
          : tellRegion(this.#function, RegionInfo.index(bytes, at), this.reply, Header.size);
      case Command.DEVICE_GET_IRQ_INFO:
        return length < IrqInfo.size
          ? EINVAL
          : tellIrqs(this.#function, IrqInfo.index(bytes, at), this.reply, Header.size);
      case Command.DEVICE_SET_IRQS:
        return length < SetIrqs.size ? EINVAL : setIrqs(this.#function.vectors, bytes, at, length, fds);
      case Command.DEVICE_RESET:
        this.#function.reset();
        return DONE;
      default:
        return ENOTSUP;
    }
  }

  /** What the client is able to do does not matter: nothing is ever asked of it, and no descriptor is passed to it. */
  #greet(bytes: Uint8Array, at: number): number {
    const { reply } = this;
    Version.put.major(reply, Header.size, VERSION.major);
    Version.put.minor(reply, Header.size, VERSION.minor);
    reply.set(CAPABILITIES, Header.size + Version.size);
    if (this.#isGreeted || Version.major(bytes, at) !== VERSION.major) return EINVAL;
    this.#isGreeted = true;
    return DONE;
  }

  #map(bytes: Uint8Array, at: number, fds: Descriptors): number {
    const flags = DmaMap.flags(bytes, at);
    const isWritable = (flags & DmaFlag.writable) !== 0;
    const isUsable = isWritable || (flags & DmaFlag.readable) !== 0;
    const range = { address: DmaMap.address(bytes, at), length: DmaMap.length(bytes, at), isWritable };
    if (fds !== undefined && fds.length > 1) return EINVAL;
    return this.#function.map(range, isUsable ? fds?.[0] : undefined, DmaMap.offset(bytes, at));
  }

  #unmap(bytes: Uint8Array, at: number): number {
    const flags = DmaUnmap.flags(bytes, at);
    this.reply.set(bytes.subarray(at, at + DmaUnmap.size), Header.size);
    if ((flags & UnmapFlag.dirtyBitmap) !== 0) return ENOTSUP;
    const address = DmaUnmap.address(bytes, at);
    const length = DmaUnmap.length(bytes, at);
    if ((flags & UnmapFlag.all) === 0) return this.#function.unmap(address, length);
    if (address !== 0 || length !== 0) return EINVAL;
    this.#function.unmapAll();
    return DONE;
  }

  #read(bytes: Uint8Array, at: number): number {
    const offset = RegionAccess.offset(bytes, at);
    const region = RegionAccess.region(bytes, at);
    const count = RegionAccess.count(bytes, at);
    copyBytes(bytes, at, RegionAccess.size, this.reply, Header.size);
    if (count > DATA_MAX) return EINVAL;
    this.#length += count;
    const data = Header.size + RegionAccess.size;
    if (this.#function.has(region, offset, count)) {
      this.#function.read(region, offset, count, this.reply, data);
      return DONE;
    }
    this.reply.fill(ONES, data, data + count);
    return EINVAL;
  }

  #write(bytes: Uint8Array, at: number, length: number): number {
    const offset = RegionAccess.offset(bytes, at);
    const region = RegionAccess.region(bytes, at);
    const count = RegionAccess.count(bytes, at);
    copyBytes(bytes, at, RegionAccess.size, this.reply, Header.size);
    if (length !== RegionAccess.size + count) return EINVAL;
    return this.#writeOne(region, offset, count, bytes, at + RegionAccess.size);
  }

  #writeMulti(bytes: Uint8Array, at: number, length: number): number {
    const writes = WriteMulti.wr_cnt(bytes, at);
    if (length !== WriteMulti.size + writes * SINGLE_WRITE_BYTES) return EINVAL;
    for (let i = 0; i < writes; i++) {
      const one = at + WriteMulti.size + i * SINGLE_WRITE_BYTES;
      const count = RegionAccess.count(bytes, one);
      if (count > SINGLE_WRITE_BYTES - RegionAccess.size) return EINVAL;
      const region = RegionAccess.region(bytes, one);
      const offset = RegionAccess.offset(bytes, one);
      const error = this.#writeOne(region, offset, count, bytes, one + RegionAccess.size);
      if (error !== DONE) return error;
      WriteMulti.put.wr_cnt(this.reply, Header.size, i + 1);
    }
    return DONE;
  }

  #writeOne(region: number, offset: number, count: number, bytes: Uint8Array, at: number): number {
    if (!this.#function.has(region, offset, count)) return EINVAL;
    this.#function.write(region, offset, count, bytes, at);
    return DONE;
  }
}
