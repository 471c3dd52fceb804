/**
 * A storage for the engine on a simulated disk: a log of batches, replayed when it is opened.
 *
 *   batch   sequence u32   length u32   crc32 u32 of what follows and the sequence   write*
 *   write   table u8   a f64   b f64                 length i32, -1 deletes   value
 *           table u8   length u16   name in UTF-8    length i32, -1 deletes   value
 *
 * The first batch that is cut, damaged or out of sequence ends the log; opening writes what is valid
 * anew, so that nothing stands behind a hole.
 */
import { crc32 } from "node:zlib";
import type { DurabilityClaim } from "../../broker/broker.ts";
import { MemoryStorage } from "../../broker/engine/memory-storage.ts";
import type {
  NamedRow,
  NamedTable,
  NumberedRow,
  NumberedTable,
  ScanLimits,
  Storage,
  Write,
} from "../../broker/engine/storage.ts";
import { ColloquyError, isColloquyError } from "../../errors.ts";
import type { SimulatedDisk } from "./disk.ts";

const numbered: readonly NumberedTable[] = [
  "page",
  "settled",
  "later",
  "dead",
  "outcome",
  "marker",
  "log",
];
const named: readonly NamedTable[] = ["meta", "queue", "stream", "producer", "entry"];
const headerBytes = 12;
/** Rows of the storage itself, in a table that the engine scans by full names only. */
const openings = "~openings";
const clean = "~clean";

export class DiskStorage implements Storage {
  readonly durability: DurabilityClaim = {
    level: "os",
    verified: true,
    evidence: { storage: "simulated" },
  };
  readonly epoch: number;
  readonly unclean: boolean;
  readonly checkpointDue = false;
  readonly shortage = undefined;
  readonly #disk: SimulatedDisk;
  readonly #rows = new MemoryStorage();
  #sequence = 0;
  #failure: ColloquyError | undefined;

  /** @throws as `commit` does: that it was opened is written down. */
  constructor(disk: SimulatedDisk) {
    this.#disk = disk;
    this.#recover();
    const before = this.#rows.readNamed("meta", openings);
    this.epoch = (before === undefined ? 0 : readNumber(before)) + 1;
    this.unclean = before !== undefined && this.#rows.readNamed("meta", clean) === undefined;
    this.commit([
      { table: "meta", name: openings, value: numberBytes(this.epoch) },
      { table: "meta", name: clean, value: undefined },
    ]);
  }

  /** From now on it takes nothing any more, as the process that had it is gone. */
  abandon(): void {
    this.#failure ??= new ColloquyError("INDETERMINATE", "the process of the storage is gone");
  }

  commit(writes: readonly Write[]): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#disk.append(encodeBatch(this.#sequence + 1, writes));
      this.#disk.flush();
    } catch (error) {
      if (!isColloquyError(error, "STORE_FAILED")) this.#failure ??= error as ColloquyError;
      throw error;
    }
    this.#sequence++;
    this.#rows.commit(writes);
  }

  read(table: NumberedTable, a: number, b: number): Uint8Array | undefined {
    return this.#rows.read(table, a, b);
  }

  scan(
    table: NumberedTable,
    a: number,
    b: number,
    lastA: number,
    limits: ScanLimits,
  ): readonly NumberedRow[] {
    return this.#rows.scan(table, a, b, lastA, limits);
  }

  floor(table: NumberedTable, a: number, b: number): NumberedRow | undefined {
    return this.#rows.floor(table, a, b);
  }

  readNamed(table: NamedTable, name: string): Uint8Array | undefined {
    return this.#rows.readNamed(table, name);
  }

  scanNamed(
    table: NamedTable,
    prefix: string,
    after: string,
    limits: ScanLimits,
  ): readonly NamedRow[] {
    return this.#rows.scanNamed(table, prefix, after, limits);
  }

  checkpoint(): void {}

  close(): void {
    if (this.#failure !== undefined) return;
    this.commit([{ table: "meta", name: clean, value: numberBytes(1) }]);
    this.#failure = new ColloquyError("CLOSED", "the storage is closed");
  }

  #recover(): void {
    const log = this.#disk.read();
    let position = 0;
    for (let end = batchEnd(log, position, 1); end !== undefined; ) {
      this.#rows.commit(decodeBatch(log.subarray(position + headerBytes, end)));
      this.#sequence++;
      position = end;
      end = batchEnd(log, position, this.#sequence + 1);
    }
    if (log.length > 0) this.#disk.replace(log.subarray(0, position));
  }
}

/** Where the batch at `start` ends; undefined when there is no whole one of this number. */
function batchEnd(log: Uint8Array, start: number, sequence: number): number | undefined {
  if (start + headerBytes > log.length) return undefined;
  const view = new DataView(log.buffer, log.byteOffset + start);
  const end = start + headerBytes + view.getUint32(4);
  if (view.getUint32(0) !== sequence || end > log.length) return undefined;
  const sum = crc32(log.subarray(start + headerBytes, end), sequence);
  return sum === view.getUint32(8) ? end : undefined;
}

function encodeBatch(sequence: number, writes: readonly Write[]): Uint8Array {
  let bytes = headerBytes;
  for (const write of writes) {
    bytes += 5 + ("name" in write ? 2 + Buffer.byteLength(write.name) : 16);
    bytes += write.value?.length ?? 0;
  }
  const batch = Buffer.allocUnsafe(bytes);
  let at = headerBytes;
  for (const write of writes) {
    if ("name" in write) {
      batch[at] = numbered.length + named.indexOf(write.table);
      const length = batch.write(write.name, at + 3);
      batch.writeUInt16BE(length, at + 1);
      at += 3 + length;
    } else {
      batch[at] = numbered.indexOf(write.table);
      batch.writeDoubleBE(write.a, at + 1);
      batch.writeDoubleBE(write.b, at + 9);
      at += 17;
    }
    batch.writeInt32BE(write.value?.length ?? -1, at);
    at += 4;
    if (write.value === undefined) continue;
    batch.set(write.value, at);
    at += write.value.length;
  }
  batch.writeUInt32BE(sequence, 0);
  batch.writeUInt32BE(bytes - headerBytes, 4);
  batch.writeUInt32BE(crc32(batch.subarray(headerBytes), sequence), 8);
  return batch;
}

function decodeBatch(bytes: Uint8Array): Write[] {
  const batch = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const writes: Write[] = [];
  for (let at = 0; at < batch.length; ) {
    const table = batch[at] as number;
    const isNamed = table >= numbered.length;
    const nameLength = isNamed ? batch.readUInt16BE(at + 1) : 0;
    const keyEnd = isNamed ? at + 3 + nameLength : at + 17;
    const length = batch.readInt32BE(keyEnd);
    const end = keyEnd + 4 + Math.max(0, length);
    // A copy: the disk's bytes are not the storage's.
    const value = length < 0 ? undefined : Uint8Array.from(batch.subarray(keyEnd + 4, end));
    if (isNamed) {
      const name = batch.toString("utf8", at + 3, keyEnd);
      writes.push({ table: named[table - numbered.length] as NamedTable, name, value });
    } else {
      const [a, b] = [batch.readDoubleBE(at + 1), batch.readDoubleBE(at + 9)];
      writes.push({ table: numbered[table] as NumberedTable, a, b, value });
    }
    at = end;
  }
  return writes;
}

function numberBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}

function readNumber(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0);
}
