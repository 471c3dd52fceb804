/**
 * How far the store has come, beside its database: so that a database, or a log, that ends earlier than
 * what was acknowledged is noticed, however whole it looks.
 *
 *   head = slot zeros slot                                    the second slot at byte 512, a sector later
 *   slot = magic:u32 flags:u32 identity:16 sequence:f64 crc:u32      integers are big-endian
 *     magic     "CLQH"
 *     flags     1: commits are not flushed before they are acknowledged
 *     identity  of the store, as in its table
 *     sequence  of a commit that is as safe as the store's commits are
 *     crc       CRC-32 of what comes before
 *
 * A slot is written after its commit and before anybody is told, the two in turn, and not flushed with
 * every commit: so that the head may lag after a power cut, and is never ahead of the database. Where
 * commits are not flushed either, it is written when a checkpoint has made them so.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { storeError, systemCode, systemFailureOf } from "./failure.ts";
import { type StoreFiles, syncDirectory } from "./store-files.ts";

const magic = 0x434c5148;
const relaxedFlag = 1;
const identityBytes = 16;
const slotBytes = 36;
const crcAt = slotBytes - 4;
const slotOffsets: readonly [number, number] = [0, 512];
const fileBytes = slotOffsets[1] + slotBytes;

export interface Head {
  readonly identity: Uint8Array;
  readonly sequence: number;
  /** True when commits may have been acknowledged before they were flushed. */
  readonly relaxed: boolean;
}

/**
 * @returns undefined when there is no head, or one whose making was cut short.
 * @throws STORE_FAILED ("damaged") when no slot of it is whole.
 */
export function readHead(file: string): Head | undefined {
  const bytes = contentOf(file);
  if (bytes === undefined || bytes.length < fileBytes) return undefined;
  const slots = slotOffsets.flatMap((offset) => decodeSlot(bytes, offset) ?? []);
  const [first, second] = slots.toSorted((one, other) => other.sequence - one.sequence);
  if (first === undefined) throw storeError("damaged", { file });
  return { ...first, relaxed: first.relaxed || second?.relaxed === true };
}

/** Makes the head of a store that is about to be made: it comes first, so that no store is without. */
export function makeHead({ head: file, directory }: StoreFiles, identity: Uint8Array): void {
  const bytes = Buffer.alloc(fileBytes);
  for (const offset of slotOffsets) {
    encodeSlot(bytes.subarray(offset), { identity, sequence: 0, relaxed: false });
  }
  const descriptor = openSync(file, "w", 0o600);
  try {
    writeSync(descriptor, bytes);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  syncDirectory(directory);
}

export class HeadFile {
  readonly #descriptor: number;
  readonly #slot: Buffer = Buffer.alloc(slotBytes);
  readonly #relaxed: boolean;

  /** @param head - of the file; `relaxed` as commits will be from now on. */
  constructor(file: string, head: Head) {
    this.#relaxed = head.relaxed;
    encodeSlot(this.#slot, head);
    this.#descriptor = openSync(file, "r+");
  }

  /** A commit is as safe as commits are. @throws what the system reports of a disk that fails. */
  committed(sequence: number): void {
    if (!this.#relaxed) this.#write(sequence);
  }

  /** Everything up to a commit has been flushed; so is the head, then. */
  flushed(sequence: number): void {
    this.#write(sequence);
    fdatasyncSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** A head that finds no room, where old bytes are not written over, lags: it says less, nothing wrong. */
  #write(sequence: number): void {
    sealSlot(this.#slot, sequence);
    try {
      writeSync(
        this.#descriptor,
        this.#slot,
        0,
        slotBytes,
        slotOffsets[sequence % 2 === 0 ? 0 : 1],
      );
    } catch (error) {
      if (systemFailureOf(error) !== "disk-full") throw error;
    }
  }
}

function encodeSlot(slot: Buffer, { identity, sequence, relaxed }: Head): void {
  slot.writeUInt32BE(magic, 0);
  slot.writeUInt32BE(relaxed ? relaxedFlag : 0, 4);
  slot.set(identity, 8);
  sealSlot(slot, sequence);
}

function sealSlot(slot: Buffer, sequence: number): void {
  slot.writeDoubleBE(sequence, 8 + identityBytes);
  slot.writeUInt32BE(crc32(slot.subarray(0, crcAt)), crcAt);
}

function decodeSlot(bytes: Buffer, offset: number): Head | undefined {
  const slot = bytes.subarray(offset, offset + slotBytes);
  if (slot.readUInt32BE(0) !== magic) return undefined;
  if (slot.readUInt32BE(crcAt) !== crc32(slot.subarray(0, crcAt))) return undefined;
  return {
    identity: Uint8Array.from(slot.subarray(8, 8 + identityBytes)),
    sequence: slot.readDoubleBE(8 + identityBytes),
    relaxed: (slot.readUInt32BE(4) & relaxedFlag) !== 0,
  };
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw storeError(systemFailureOf(error), { file }, { cause: error });
  }
}
