/**
 * One file on a disk that fails as disks do. What is appended lies in the cache of the operating
 * system until it is flushed; a power cut keeps of the rest what it likes, sector by sector.
 *
 *   bytes   [ flushed ....................... | written, not flushed ]
 *                    [ holes: a flush failed ]    kept or lost at a power cut, each sector by itself
 */
import { ColloquyError } from "../../errors.ts";
import type { Random } from "../../runtime/random.ts";

/** Happens to the next call that writes or flushes, once. */
export type DiskFault =
  /** Part of the write has happened. */
  | "write-error"
  /** The flush has failed, and the next one will succeed without having written what this one should. */
  | "flush-error";

/** Between which steps of a commit somebody may stop the world. */
export type DiskStep = "before-write" | "written" | "flushed";

/** What is written at once: half a kilobyte, or a page. */
const sectorBytes = [512, 4_096] as const;

export class SimulatedDisk {
  readonly #random: Random;
  readonly #sectorBytes: number;
  #bytes = Buffer.alloc(16 * 1024);
  #length = 0;
  #flushedLength = 0;
  #holes: { readonly start: number; readonly end: number }[] = [];
  /** Of the next commit. */
  fault: DiskFault | undefined;
  /** While it is, every write is refused, whole. */
  full = false;
  /** Called at each step of every commit; what it throws ends the commit there. */
  onStep: ((step: DiskStep) => void) | undefined;

  constructor(random: Random) {
    this.#random = random;
    this.#sectorBytes = sectorBytes[random.uint32() % sectorBytes.length] as number;
  }

  /** What a reader sees now. */
  read(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** @throws STORE_FAILED when it is full, INDETERMINATE when part of it may have been written. */
  append(bytes: Uint8Array): void {
    this.onStep?.("before-write");
    const { fault } = this;
    if (this.full) throw new ColloquyError("STORE_FAILED", "the simulated disk is full");
    const count =
      fault === "write-error" ? this.#random.uint32() % (bytes.length + 1) : bytes.length;
    this.#reserve(count);
    this.#bytes.set(bytes.subarray(0, count), this.#length);
    this.#length += count;
    if (fault === "write-error") {
      this.fault = undefined;
      throw new ColloquyError("INDETERMINATE", "the simulated disk failed to write");
    }
    this.onStep?.("written");
  }

  /** @throws INDETERMINATE when it failed: what was not flushed before may be lost by a power cut. */
  flush(): void {
    if (this.fault === "flush-error") {
      this.fault = undefined;
      // Some systems forget what they could not write, others show it until the power is cut.
      if (this.#random.uint32() % 2 === 0) this.#length = this.#flushedLength;
      else this.#holes.push({ start: this.#flushedLength, end: this.#length });
      this.#flushedLength = this.#length;
      throw new ColloquyError("INDETERMINATE", "the simulated disk failed to flush");
    }
    this.#flushedLength = this.#length;
    this.onStep?.("flushed");
  }

  /** Replaces the file, as writing another one, flushing it and renaming it does: whole or not at all. */
  replace(bytes: Uint8Array): void {
    const length = bytes.length;
    const copy = Buffer.alloc(Math.max(16 * 1024, 2 * length));
    copy.set(bytes);
    this.#bytes = copy;
    this.#length = length;
    this.#flushedLength = length;
    this.#holes = [];
  }

  powerCut(): void {
    for (const { start, end } of this.#holes) this.#lose(start, end);
    this.#holes = [];
    this.#lose(this.#flushedLength, this.#length);
    this.#flushedLength = this.#length;
  }

  #lose(start: number, end: number): void {
    const size = this.#sectorBytes;
    for (let sector = Math.floor(start / size) * size; sector < end; sector += size) {
      if (this.#random.uint32() % 2 === 0) continue;
      this.#bytes.fill(0, Math.max(start, sector), Math.min(end, sector + size));
    }
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.alloc(2 * (this.#length + count));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
