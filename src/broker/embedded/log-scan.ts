/**
 * Tells a log that was damaged from one that a power cut tore. SQLite takes both for a log that ends
 * before its first frame that does not fit, and would drop every commit behind it without a word.
 *
 *   log    = header frame*                                                 integers are big-endian
 *   header = magic:u32 version:u32 page:u32 generation:u32 salt:8 sum:8    page: its bytes
 *   frame  = number:u32 commit:u32 salt:8 sum:8 page                       commit: not 0 in the last of one
 *
 * A sum covers what comes before it in its frame, less the salt, and begins with the sum before: so that
 * each frame can be checked against the one before it, also behind one that is damaged. The salt tells
 * frames of this generation from those of logs that lay here before.
 *
 * Every commit is flushed before the next one is written, so that at most one can be torn: two whole
 * ones behind the first frame that does not fit were acknowledged.
 *
 * @see https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
import { readFileSync } from "node:fs";
import { endianness } from "node:os";

const headerBytes = 32;
const frameHeaderBytes = 24;
const sumsLittleEndian = 0x377f0682;
const sumsBigEndian = 0x377f0683;

/** Commits behind the first frame that does not fit: one may be what a power cut tore. */
const tornCommitsMax = 1;

export interface LogDamage {
  /** The first frame that does not fit, counted from 1; 0 for the header. */
  readonly frame: number;
  /** Whole commits behind it, which SQLite would drop. */
  readonly commitsBehind: number;
}

/**
 * @param pageBytes - of the database, for a log whose header does not say.
 * @returns undefined when the log is whole up to where a power cut may have torn it.
 */
export function findLogDamage(file: string, pageBytes: number): LogDamage | undefined {
  const bytes = new Uint8Array(readFileSync(file));
  if (bytes.length < headerBytes) return undefined;
  const log = new Log(bytes, pageBytes);
  let frame = log.intact ? 1 : 0;
  while (frame > 0 && frame <= log.frames && log.fits(frame)) frame++;
  const commitsBehind = log.commitsBehind(frame);
  return commitsBehind > tornCommitsMax ? { frame, commitsBehind } : undefined;
}

type Sum = readonly [number, number];

class Log {
  /** Whole frames, of whatever generation. */
  readonly frames: number;
  /** Whether the header is. */
  readonly intact: boolean;
  readonly #view: DataView;
  readonly #words: Uint32Array;
  readonly #frameBytes: number;

  constructor(bytes: Uint8Array, pageBytes: number) {
    this.#view = new DataView(bytes.buffer);
    const magic = this.#view.getUint32(0);
    this.#words = wordsOf(bytes, magic);
    const known = magic === sumsLittleEndian || magic === sumsBigEndian;
    this.intact = known && this.#isSum(headerBytes - 8, this.#sum(0, headerBytes - 8, [0, 0]));
    this.#frameBytes = frameHeaderBytes + (this.intact ? this.#view.getUint32(8) : pageBytes);
    this.frames = Math.floor((bytes.length - headerBytes) / this.#frameBytes);
  }

  /** Whether the frame belongs to this generation and follows on the one before it, or on the header. */
  fits(frame: number): boolean {
    return this.#saltOf(frame) === this.#salt(16) && this.#followsOn(frame);
  }

  /**
   * Whole commits behind a frame, of this generation. Where the header does not say which one that is,
   * those of the generation that has the most.
   */
  commitsBehind(frame: number): number {
    const counts = new Map<bigint, number>();
    for (let behind = frame + 1; behind <= this.frames; behind++) {
      if (!this.#endsCommit(behind)) continue;
      const salt = this.#saltOf(behind);
      if (this.intact && salt !== this.#salt(16)) continue;
      if (this.#followsOn(behind)) counts.set(salt, (counts.get(salt) ?? 0) + 1);
    }
    return Math.max(0, ...counts.values());
  }

  #followsOn(frame: number): boolean {
    const at = this.#offsetOf(frame);
    const before = this.#sumAt(frame === 1 ? headerBytes - 8 : this.#offsetOf(frame - 1) + 16);
    const pageBytes = this.#frameBytes - frameHeaderBytes;
    const sum = this.#sum(at + frameHeaderBytes, pageBytes, this.#sum(at, 8, before));
    return this.#isSum(at + 16, sum);
  }

  #endsCommit(frame: number): boolean {
    return this.#view.getUint32(this.#offsetOf(frame) + 4) !== 0;
  }

  #saltOf(frame: number): bigint {
    return this.#salt(this.#offsetOf(frame) + 8);
  }

  #salt(at: number): bigint {
    return this.#view.getBigUint64(at);
  }

  #offsetOf(frame: number): number {
    return headerBytes + (frame - 1) * this.#frameBytes;
  }

  #sumAt(at: number): Sum {
    return [this.#view.getUint32(at), this.#view.getUint32(at + 4)];
  }

  #isSum(at: number, [one, other]: Sum): boolean {
    return one === this.#view.getUint32(at) && other === this.#view.getUint32(at + 4);
  }

  /** SQLite's running sum over pairs of words. */
  #sum(at: number, length: number, before: Sum): Sum {
    const words = this.#words;
    let [one, other] = before;
    for (let index = at / 4; index < (at + length) / 4; index += 2) {
      one = (one + (words[index] as number) + other) >>> 0;
      other = (other + (words[index + 1] as number) + one) >>> 0;
    }
    return [one, other];
  }
}

/** The log as words in the order of bytes in which its writer added them up: that of its machine. */
function wordsOf(bytes: Uint8Array, magic: number): Uint32Array {
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
  const here = endianness() === "LE" ? sumsLittleEndian : sumsBigEndian;
  if (magic === here || (magic !== sumsLittleEndian && magic !== sumsBigEndian)) return words;
  const swapped = Buffer.from(words.slice().buffer).swap32();
  return new Uint32Array(swapped.buffer, swapped.byteOffset, words.length);
}
