import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { CmdSubmit, Command, HEADER_SIZE, HeaderBasic, RetSubmit } from "../../src/usbip/pdu.ts";

/**
 * The load client for machines without a C compiler; see load.c, whose words and answer it shares. It costs
 * more than the servers it measures: figures made with it compare servers, they do not tell a server's limit.
 */

const IMPORT_REQUEST = Buffer.from("0111800300000000".padEnd(80, "0"), "hex");
IMPORT_REQUEST.write("zero", 8);
const IMPORT_REPLY_SIZE = 320;
const SET_CONFIGURATION_3 = [0x00, 0x09, 3, 0, 0, 0, 0, 0];
const BODY = HeaderBasic.size;

const [port, direction, sizeText, depthText, warmText, measureText, urbsText] = process.argv.slice(2);
const size = Number(sizeText);
const depth = Number(depthText);
const urbsMax = Number(urbsText);
const isIn = direction === "in";
const isEcho = direction === "echo";
const replySize = HEADER_SIZE + (isIn || isEcho ? size : 0);

/** Ends the run: figures of a server that answers wrongly must not be seen. */
function demand(holds: boolean, otherwise: string): void {
  if (holds) return;
  process.stderr.write(`load: ${otherwise}\n`);
  process.exit(1);
}

function command(seqnum: number, devid: number, ep: number, length: number, payload: number): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE + payload);
  const words = { command: Command.CMD_SUBMIT, seqnum, devid, direction: isIn && ep > 0 ? 1 : 0, ep };
  HeaderBasic.encodeInto(words, bytes, 0);
  CmdSubmit.put.transfer_buffer_length(bytes, BODY, length);
  return bytes;
}

function checkReply(reply: Uint8Array, at: number, length: number): void {
  demand(HeaderBasic.command(reply, at) === Command.RET_SUBMIT, "a reply is no RET_SUBMIT");
  demand(RetSubmit.status(reply, at + BODY) === 0, "a transfer failed");
  demand(RetSubmit.actual_length(reply, at + BODY) === length, "a transfer is short");
}

async function readExactly(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(length) as Buffer | null;
    if (bytes !== null) return bytes;
    await once(socket, "readable");
  }
}

async function importZero(socket: Socket): Promise<number> {
  socket.write(IMPORT_REQUEST);
  const reply = await readExactly(socket, IMPORT_REPLY_SIZE);
  demand(reply.readUInt32BE(4) === 0, 'the server refuses to give "zero"');
  const devid = ((reply.readUInt32BE(296) << 16) | reply.readUInt32BE(300)) >>> 0;
  const configure = command(1, devid, 0, 0, 0);
  configure.set(SET_CONFIGURATION_3, HEADER_SIZE - 8);
  socket.write(configure);
  checkReply(await readExactly(socket, HEADER_SIZE), 0, 0);
  return devid;
}

const socket = port!.startsWith("/")
  ? connect({ path: port! })
  : connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
socket.on("error", (error) => demand(false, error.message));
socket.on("end", () => demand(false, "the server closed early"));
await once(socket, "connect");
const devid = isEcho ? 0 : await importZero(socket);

const started = new Float64Array(depth);
const messages = Array.from({ length: depth }, (_, i) => command(i, devid, 1, size, isIn ? 0 : size));
const latencies: number[] = [];
const partial = Buffer.alloc(HEADER_SIZE);
/** Bytes of the present reply that were read. */
let filled = 0;
let slot = 0;
let inFlight = depth;
let urbs = 0;
let measured = 0;
const from = performance.now() + Number(warmText);
let until = from + Number(measureText);
let first = 0;
let stopping = false;

function replied(now: number): void {
  filled = 0;
  urbs++;
  if (now >= from && !stopping) {
    first ||= now;
    measured++;
    latencies.push((now - started[slot]!) * 1e3);
  }
  if (stopping) {
    inFlight--;
    return;
  }
  started[slot] = now;
  socket.write(messages[slot]!);
}

socket.removeAllListeners("readable");
socket.on("data", (bytes: Buffer) => {
  const now = performance.now();
  socket.cork();
  for (let at = 0; at < bytes.length; ) {
    const wanted = (filled < HEADER_SIZE ? HEADER_SIZE : replySize) - filled;
    const length = Math.min(wanted, bytes.length - at);
    if (filled < HEADER_SIZE) bytes.copy(partial, filled, at, at + length);
    at += length;
    filled += length;
    if (filled === HEADER_SIZE && length > 0) {
      slot = HeaderBasic.seqnum(partial, 0);
      demand(slot < depth, "a reply has a seqnum that is not in flight");
      if (isEcho)
        demand(partial.equals(messages[slot]!.subarray(0, HEADER_SIZE)), "the echo is not what was sent");
      else checkReply(partial, 0, size);
    }
    if (filled === replySize) replied(now);
  }
  socket.uncork();
  if (!stopping && first > 0 && (now >= until || (urbsMax > 0 && measured >= urbsMax))) {
    stopping = true;
    until = now;
  }
  if (inFlight === 0) finish();
});
socket.cork();
for (let i = 0; i < depth; i++) {
  started[i] = performance.now();
  socket.write(messages[i]!);
}
socket.uncork();

function finish(): void {
  demand(latencies.length > 0, "nothing came back in the time that was measured");
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)]!;
  const seconds = (until - first) / 1e3;
  process.stdout.write(`${JSON.stringify({ urbs, measured, seconds, p50: at(0.5), p99: at(0.99) })}\n`);
  socket.removeAllListeners("end").end();
}
