/**
 * Lengthens the log before it is needed. A flush that also has to make a file longer waits for the
 * file system's own journal; one into room that is there does not, and takes two thirds of the time.
 *
 *   log   [ commits ............ | zeros ............ ]
 *                       log bytes ^                   ^ reserved
 *
 * SQLite takes zeros for the end of the log, begins anew at the front after each checkpoint, and
 * leaves the length alone: so that the room has to be made once.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from "node:fs";

const stepBytes = 2 ** 20;

/** Below this much left on the disk, room is for messages. */
const freeBytesMin = 64 * stepBytes;

export class LogFile {
  readonly #path: string;
  readonly #bytesMax: number;
  #reservedBytes = 0;

  /** @param bytesMax - how far ahead to go at most. */
  constructor(path: string, bytesMax: number) {
    this.#path = path;
    this.#bytesMax = bytesMax;
  }

  /** Makes room behind the `usedBytes` that are in use. Best effort: the log grows by itself as well. */
  reserve(usedBytes: number): void {
    if (usedBytes + stepBytes / 8 < this.#reservedBytes) return;
    if (this.#reservedBytes >= this.#bytesMax) return;
    this.#reservedBytes = Math.max(this.#reservedBytes, usedBytes) + stepBytes;
    try {
      lengthen(this.#path, this.#reservedBytes);
    } catch {
      this.#reservedBytes = this.#bytesMax;
    }
  }
}

function lengthen(path: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < freeBytesMin) return;
  const descriptor = openSync(path, "r+");
  try {
    const { size } = fstatSync(descriptor);
    if (size >= bytes) return;
    const zeros = Buffer.alloc(bytes - size);
    const written = writeSync(descriptor, zeros, 0, zeros.length, size);
    if (written < zeros.length) ftruncateSync(descriptor, size);
  } finally {
    closeSync(descriptor);
  }
}
