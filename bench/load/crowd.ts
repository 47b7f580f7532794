import { connect, type Socket } from "node:net";
import { API_LIMITS } from "../../src/daemon/api/api-limits.ts";

/**
 * A crowd at a control socket, half of it stuck: `crowd SOCKET CLIENTS`. It tells its parent when all are there, and
 * answers every message with its attendance. Those that are cut come back. A client that is refused ends it.
 */
export interface Attendance {
  readonly connected: number;
}

interface Habit {
  readonly say: (socket: Socket) => void;
  /** It reads what it is told, and that must be good. */
  readonly reads: boolean;
}

/** Before the host would cut them for it, at any moment, as if they had come one by one. */
const PATIENCE_MS = API_LIMITS.requestMs;
const BETWEEN_QUESTIONS_MS = API_LIMITS.idleMs - 1_000;
const RETURN_MS = 20;
const EVENTS = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
const QUESTION = "GET /v1/devices HTTP/1.1\r\nHost: x\r\n\r\n";
const HALF_HEAD = "GET /v1/devices HTTP/1.1\r\nHo";
const HALF_BODY =
  'POST /v1/gadgets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"ga';

const LISTENS: Habit = { reads: true, say: (socket) => socket.write(EVENTS) };
const ASKS: Habit = { reads: true, say: (socket) => socket.write(QUESTION) };
const LISTENS_AND_READS_NOTHING: Habit = { reads: false, say: (socket) => socket.pause().write(EVENTS) };
const STOPS_IN_THE_HEAD: Habit = { reads: false, say: (socket) => stop(socket, HALF_HEAD) };
const STOPS_IN_THE_BODY: Habit = { reads: false, say: (socket) => stop(socket, HALF_BODY) };

const [socketPath, clients] = process.argv.slice(2) as [string, string];
const count = Number(clients);
let connected = 0;
let answered = 0;

function stop(socket: Socket, text: string): void {
  socket.write(text);
  const timer = setTimeout(() => socket.destroy(), Math.random() * PATIENCE_MS);
  socket.once("close", () => clearTimeout(timer));
}

/** Half of them stuck, and of both halves as many at the events as the host takes. */
function habitOf(i: number): Habit {
  const hears = i < API_LIMITS.streams;
  if (i % 2 === 0) return hears ? LISTENS : ASKS;
  if (hears) return LISTENS_AND_READS_NOTHING;
  return i % 4 === 1 ? STOPS_IN_THE_HEAD : STOPS_IN_THE_BODY;
}

function come(habit: Habit, isFirst: boolean): void {
  const socket = connect(socketPath);
  let wasConnected = false;
  let isSatisfied = !isFirst;
  let timer: NodeJS.Timeout | undefined;
  socket.once("connect", () => {
    wasConnected = true;
    connected++;
    if (!habit.reads) satisfy();
    habit.say(socket);
  });
  socket.once("close", () => {
    clearTimeout(timer);
    if (wasConnected) connected--;
    setTimeout(come, RETURN_MS, habit, !isSatisfied);
  });
  // A queue of connections that is full refuses (unix(7): EAGAIN); it closes then, and comes back.
  socket.on("error", () => {});
  const satisfy = (): void => {
    if (isSatisfied) return;
    isSatisfied = true;
    answered++;
    if (answered === count) report();
  };
  if (!habit.reads) return;
  let isAnswered = false;
  socket.setEncoding("latin1").on("data", (text: string) => {
    if (habit === LISTENS && isAnswered) return;
    if (!text.startsWith("HTTP/1.1 200 ")) throw new Error(`a client was told: ${text}`);
    satisfy();
    isAnswered = true;
    if (habit !== ASKS) return;
    timer = setTimeout(ASKS.say, Math.random() * BETWEEN_QUESTIONS_MS, socket);
  });
}

function report(): void {
  process.send!({ connected } satisfies Attendance);
}

process.on("message", report);
process.on("disconnect", () => process.exit());
for (let i = 0; i < count; i++) come(habitOf(i), true);
