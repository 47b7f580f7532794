import { errnoOf } from "../usb/errno.ts";
import type { TransferStatus } from "../usb/urb.ts";
import { networkWord } from "../wire/network-word.ts";
import { Command, HEADER_SIZE, HeaderBasic, RetSubmit } from "./pdu.ts";

const WORD = Int32Array.BYTES_PER_ELEMENT;
export const HEADER_WORDS = HEADER_SIZE / WORD;

const basic = HeaderBasic.places;
const body = RetSubmit.places;
const BODY = HeaderBasic.size;
const COMMAND = basic.command / WORD;
const SEQNUM = basic.seqnum / WORD;
const DEVID = basic.devid / WORD;
const DIRECTION = basic.direction / WORD;
const EP = basic.ep / WORD;
const STATUS = (BODY + body.status) / WORD;
const ACTUAL_LENGTH = (BODY + body.actual_length) / WORD;
const START_FRAME = (BODY + body.start_frame) / WORD;
const NUMBER_OF_PACKETS = (BODY + body.number_of_packets) / WORD;
const ERROR_COUNT = (BODY + body.error_count) / WORD;
const PADDING = (BODY + body.padding) / WORD;

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const word = networkWord;
const errno = errnoOf;
const RET_SUBMIT = networkWord(Command.RET_SUBMIT);

/**
 * Writes a RET_SUBMIT at word `at`; Linux sends zeros for devid, direction and ep. By words of the machine: each write
 * through a DataView makes the compiler forget what it knows of every object.
 */
export function writeRetSubmit(
  words: Int32Array,
  at: number,
  seqnum: number,
  status: TransferStatus,
  actualLength: number,
  startFrame: number,
  numberOfPackets: number,
  errorCount: number,
): void {
  words[at + COMMAND] = RET_SUBMIT;
  words[at + SEQNUM] = word(seqnum);
  words[at + DEVID] = 0;
  words[at + DIRECTION] = 0;
  words[at + EP] = 0;
  words[at + STATUS] = word(errno(status));
  words[at + ACTUAL_LENGTH] = word(actualLength);
  words[at + START_FRAME] = word(startFrame);
  words[at + NUMBER_OF_PACKETS] = word(numberOfPackets);
  words[at + ERROR_COUNT] = word(errorCount);
  words[at + PADDING] = 0;
  words[at + PADDING + 1] = 0;
}
