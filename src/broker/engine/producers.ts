/**
 * What each life of a sender (an incarnation) has stored and may still repeat: its sequence numbers
 * with the positions they got. A sequence that is repeated gets the answer it had.
 *
 *   row = seenMs u53, repeatsFrom u53, run *      under the name of the incarnation
 *   run = sequence u53, count u32, queue number u53, position u53
 *
 * Within a run both sequence and position count up by one. What the sender has acknowledged
 * (`repeatsFrom`) is dropped, so a row is as long as what is in flight.
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Origin } from "../broker.ts";
import type { Group, Participant } from "./group.ts";
import type { NamedRow, Storage, Write } from "./storage.ts";

interface Run {
  readonly sequence: number;
  count: number;
  readonly queueNumber: number;
  readonly position: number;
}

interface Producer {
  readonly incarnation: string;
  seenMs: number;
  repeatsFrom: number;
  runs: Run[];
  /** As they were before the present group, which changed them. */
  before: Pick<Producer, "seenMs" | "repeatsFrom" | "runs"> | undefined;
}

export interface ProducersOptions {
  readonly storage: Storage;
  readonly producersMax: number;
  readonly producerIdleMs: number;
}

/** Where a repeated message is: in which queue, at which position. */
export interface Stored {
  readonly queueNumber: number;
  readonly position: number;
}

/** Runs of one incarnation: a sender with more of them in flight has lost count of what it repeats. */
const runsMax = 16_384;
const writer = new ByteWriter();

export class Producers implements Participant {
  readonly #options: ProducersOptions;
  readonly #producers = new Map<string, Producer>();
  readonly #changed: Producer[] = [];
  #sweptMs = 0;

  constructor(options: ProducersOptions) {
    this.#options = options;
    for (let after = ""; ; ) {
      const rows = options.storage.scanNamed("producer", "", after, { rows: 256 });
      for (const row of rows) {
        this.#producers.set(row.name, decode(row));
        after = row.name;
      }
      if (rows.length < 256) return;
    }
  }

  /** @returns where the message was stored before; undefined when it was not. */
  find({ incarnation, sequence }: Origin): Stored | undefined {
    const runs = this.#producers.get(incarnation)?.runs;
    if (runs === undefined) return undefined;
    const run = runs[runIndex(runs, sequence)];
    if (run === undefined || sequence >= run.sequence + run.count) return undefined;
    return { queueNumber: run.queueNumber, position: run.position + sequence - run.sequence };
  }

  /** What keeps a new message of `origin` from being remembered, as a limit; undefined when nothing does. */
  obstacle({ incarnation, sequence, repeatsFrom }: Origin): string | undefined {
    const producer = this.#producers.get(incarnation);
    if (producer === undefined) {
      return this.#producers.size < this.#options.producersMax ? undefined : "producersMax";
    }
    if (sequence < Math.max(repeatsFrom, producer.repeatsFrom)) return "repeatsFrom";
    return producer.runs.length < runsMax ? undefined : "repeatsFrom";
  }

  add(group: Group, origin: Origin, stored: Stored): void {
    const producer = this.#change(group, origin.incarnation);
    if (origin.repeatsFrom > producer.repeatsFrom) {
      producer.repeatsFrom = origin.repeatsFrom;
      trim(producer);
    }
    const { sequence } = origin;
    const last = producer.runs.at(-1);
    const { queueNumber, position } = stored;
    if (last !== undefined && continues(last, sequence, stored)) {
      last.count++;
    } else {
      const run = { sequence, count: 1, queueNumber, position };
      producer.runs.splice(runIndex(producer.runs, sequence) + 1, 0, run);
    }
  }

  seal(writes: Write[]): void {
    for (const producer of this.#changed) {
      writes.push({ table: "producer", name: producer.incarnation, value: encode(producer) });
    }
  }

  committed(): void {
    for (const producer of this.#changed) producer.before = undefined;
    this.#changed.length = 0;
  }

  reverted(): void {
    for (const producer of this.#changed) {
      const { before } = producer;
      if (before === undefined || before.seenMs === 0) {
        this.#producers.delete(producer.incarnation);
      } else {
        Object.assign(producer, before);
      }
      producer.before = undefined;
    }
    this.#changed.length = 0;
  }

  overdue(nowMs: number): boolean {
    return this.#sweptMs < nowMs - this.#options.producerIdleMs / 24;
  }

  /** Drops those that have been silent for too long. */
  forget(group: Group): void {
    this.#sweptMs = group.nowMs;
    const sinceMs = group.nowMs - this.#options.producerIdleMs;
    const idle = [...this.#producers.values()].filter(({ seenMs }) => seenMs < sinceMs);
    if (idle.length === 0) return;
    // One that sends again in this very group is not idle any more when the group is sealed.
    const stillIdle = () => idle.filter(({ seenMs }) => seenMs < sinceMs);
    group.join({
      seal: (writes) => {
        for (const { incarnation } of stillIdle()) {
          writes.push({ table: "producer", name: incarnation, value: undefined });
        }
      },
      committed: () => {
        for (const { incarnation } of stillIdle()) this.#producers.delete(incarnation);
      },
      reverted: () => {},
    });
  }

  #change(group: Group, incarnation: string): Producer {
    let producer = this.#producers.get(incarnation);
    if (producer === undefined) {
      producer = { incarnation, seenMs: 0, repeatsFrom: 0, runs: [], before: undefined };
      this.#producers.set(incarnation, producer);
    }
    if (producer.before === undefined) {
      const { seenMs, repeatsFrom, runs } = producer;
      producer.before = { seenMs, repeatsFrom, runs };
      producer.runs = runs.map((run) => ({ ...run }));
      producer.seenMs = group.nowMs;
      if (this.#changed.length === 0) group.join(this);
      this.#changed.push(producer);
    }
    return producer;
  }
}

/** Index of the last run that begins at or before `sequence`; -1 when there is none. */
function runIndex(runs: readonly Run[], sequence: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((runs[middle] as Run).sequence <= sequence) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function continues(run: Run, sequence: number, { queueNumber, position }: Stored): boolean {
  return (
    sequence === run.sequence + run.count &&
    queueNumber === run.queueNumber &&
    position === run.position + run.count
  );
}

function trim(producer: Producer): void {
  const { runs, repeatsFrom } = producer;
  const first = runs.findIndex((run) => run.sequence + run.count > repeatsFrom);
  producer.runs = first === -1 ? [] : runs.slice(first);
}

function encode({ seenMs, repeatsFrom, runs }: Producer): Uint8Array {
  writer.uint53(seenMs);
  writer.uint53(repeatsFrom);
  for (const { sequence, count, queueNumber, position } of runs) {
    writer.uint53(sequence);
    writer.uint32(count);
    writer.uint53(queueNumber);
    writer.uint53(position);
  }
  return writer.take();
}

function decode({ name, value }: NamedRow): Producer {
  const reader = new ByteReader(value);
  const seenMs = reader.uint53("seenMs");
  const repeatsFrom = reader.uint53("repeatsFrom");
  const runs: Run[] = [];
  while (reader.left > 0) {
    const sequence = reader.uint53("sequence");
    const count = reader.uint32("count");
    const queueNumber = reader.uint53("queue");
    runs.push({ sequence, count, queueNumber, position: reader.uint53("position") });
  }
  return { incarnation: name, seenMs, repeatsFrom, runs, before: undefined };
}
