/**
 * Markers of exactly-once messages: an id that was stored in a queue within the horizon is known, with
 * the position it got. All of them are in memory; each group stores its own as one row.
 *
 *   row = { key 4 * u32, position u53 } *       a = time, b = serial
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Random } from "../../runtime/random.ts";
import type { Group, Participant } from "./group.ts";
import { markerKey } from "./marker-key.ts";
import { MarkerTable } from "./marker-table.ts";
import type { Serials } from "./serials.ts";
import type { NumberedRow, Storage, Write } from "./storage.ts";

export interface MarkersOptions {
  readonly storage: Storage;
  readonly serials: Serials;
  readonly random: Random;
  readonly nowMs: number;
  readonly dedupeHorizonMs: number;
  readonly dedupeIdsMax: number;
}

const writer = new ByteWriter();
const keyMax = Number.MAX_SAFE_INTEGER;
const loadRows = 256;

export class Markers implements Participant {
  readonly #options: MarkersOptions;
  readonly #table: MarkerTable;
  /** The key asked for last; a message that is new is added under it. */
  readonly #key = new Uint32Array(4);
  /** Of the present group: four words and a position each. */
  readonly #added: number[] = [];
  #groupMs = 0;
  /** No row is older. */
  #oldestMs = 0;

  constructor(options: MarkersOptions) {
    this.#options = options;
    this.#table = new MarkerTable(options.random.uint32());
    this.#load();
  }

  get full(): boolean {
    return this.#table.size >= this.#options.dedupeIdsMax;
  }

  /** The position under which `id` is in the queue; 0 when it is not known. */
  find(queueNumber: number, id: string): number {
    markerKey(this.#key, queueNumber, id);
    return this.#table.get(this.#key);
  }

  /** Remembers the id that `find` was asked for last, and did not find. */
  add(group: Group, position: number): void {
    if (this.#added.length === 0) {
      this.#groupMs = group.nowMs;
      group.join(this);
    }
    const key = this.#key;
    this.#table.add(key, position);
    this.#added.push(
      key[0] as number,
      key[1] as number,
      key[2] as number,
      key[3] as number,
      position,
    );
  }

  seal(writes: Write[]): void {
    const added = this.#added;
    for (let index = 0; index < added.length; index += 5) {
      for (let word = 0; word < 4; word++) writer.uint32(added[index + word] as number);
      writer.uint53(added[index + 4] as number);
    }
    const row = { a: this.#groupMs, b: this.#options.serials.next(), value: writer.take() };
    writes.push({ table: "marker", ...row });
  }

  committed(): void {
    this.#added.length = 0;
  }

  reverted(): void {
    const key = new Uint32Array(4);
    for (let index = 0; index < this.#added.length; index += 5) {
      for (let word = 0; word < 4; word++) key[word] = this.#added[index + word] as number;
      this.#table.delete(key);
    }
    this.#added.length = 0;
  }

  /** True when some lie behind the horizon. */
  overdue(nowMs: number): boolean {
    return this.#table.size > 0 && this.#oldestMs < nowMs - this.#options.dedupeHorizonMs;
  }

  /** Deletes some of what lies behind the horizon; called again while `overdue`. */
  forget(group: Group): void {
    const { storage, dedupeHorizonMs } = this.#options;
    const beforeMs = group.nowMs - dedupeHorizonMs;
    const rows = storage.scan("marker", 0, 0, beforeMs, { rows: 64 });
    const next = storage.scan("marker", beforeMs + 1, 0, keyMax, { rows: 1 });
    group.join({
      seal: (writes) => {
        for (const { a, b } of rows) writes.push({ table: "marker", a, b, value: undefined });
      },
      committed: () => {
        for (const row of rows) {
          eachMarker(row, (key, position) => {
            // It may have been forgotten by a restart, and stored again since.
            if (this.#table.get(key) === position) this.#table.delete(key);
          });
        }
        if (rows.length < 64) this.#oldestMs = next[0]?.a ?? group.nowMs;
      },
      reverted: () => {},
    });
  }

  #load(): void {
    const { storage, nowMs, dedupeHorizonMs } = this.#options;
    const fromMs = Math.max(0, nowMs - dedupeHorizonMs);
    let a = fromMs;
    let b = 0;
    for (;;) {
      const rows = storage.scan("marker", a, b, keyMax, { rows: loadRows });
      for (const row of rows) {
        eachMarker(row, (key, position) => {
          if (this.#table.get(key) === 0) this.#table.add(key, position);
        });
        a = row.a;
        b = row.b + 1;
      }
      if (rows.length < loadRows) break;
    }
    const [oldest] = storage.scan("marker", 0, 0, keyMax, { rows: 1 });
    this.#oldestMs = oldest?.a ?? nowMs;
  }
}

function eachMarker(row: NumberedRow, see: (key: Uint32Array, position: number) => void): void {
  const reader = new ByteReader(row.value);
  const key = new Uint32Array(4);
  while (reader.left > 0) {
    for (let word = 0; word < 4; word++) key[word] = reader.uint32("key");
    see(key, reader.uint53("position"));
  }
}
