import { readFile, stat } from "node:fs/promises";
import { type RecordedDevice, readRecording, UnusableRecording } from "../../capture/recording.ts";
import type { ReplaySpecification } from "../../gadgets/catalog.ts";
import { AccessDenied, Failed } from "../failure.ts";

/** It is kept in memory as a whole. */
const LARGEST = 512 << 20;

/** The device that a file tells of. Rejects with AccessDenied or Failed. */
export async function openRecording({ file, device }: ReplaySpecification): Promise<RecordedDevice> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > LARGEST) {
      throw new Failed(
        `the recording ${file} has ${size >> 20} MiB, more than ${LARGEST >> 20}: cut it with \`editcap -r\`.`,
      );
    }
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof Failed) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const text = `the recording ${file} cannot be read: ${message}. Check the path and its permissions.`;
    throw code === "EACCES" ? new AccessDenied(text) : new Failed(text);
  }
  const recorded = readRecording(bytes, device);
  if (recorded instanceof UnusableRecording)
    throw new Failed(`the recording ${file} cannot be replayed: ${recorded.message}`);
  return recorded;
}
