/**
 * Dead letters: messages that are not offered again without a person. Rows of the table `dead`:
 *
 *   row = queue u16 + UTF-8, error u32 + JSON, lane u8, row of a returned message (returned.ts)
 */

import type { ErrorInfo } from "../../errors.ts";
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { DeadLetter, Lane, QueuedMessage } from "../broker.ts";
import type { Counters } from "./counters.ts";
import { decodeError, encodeError } from "./error-text.ts";
import { decodeFailures } from "./failures.ts";
import type { Group } from "./group.ts";
import { encodeReturned, type History, returnedPage } from "./returned.ts";
import { Slot } from "./slot.ts";
import type { NumberedRow, Storage, Write } from "./storage.ts";

const writer = new ByteWriter();
const keyMax = Number.MAX_SAFE_INTEGER;

/** A dead letter with what it takes to send it again. */
export interface StoredDeadLetter extends DeadLetter {
  readonly message: QueuedMessage;
}

export interface DeadLettersOptions {
  readonly storage: Storage;
  readonly counters: Counters;
  readonly deadLettersMax: number;
  /** Called once for a group with dead letters, after its commit. */
  readonly onArrival: () => void;
}

export class DeadLetters {
  readonly #options: DeadLettersOptions;
  /** Numbers that the present group removes. */
  readonly #removed = new Set<number>();
  /** The latest group whose arrivals will be told. */
  #told: Group | undefined;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  get full(): boolean {
    return this.#options.counters.get("deadLetters") >= this.#options.deadLettersMax;
  }

  /** The caller has seen that there is room, and makes the message final in the same group. */
  add(group: Group, queue: string, slot: Slot, history: History, error: ErrorInfo): void {
    const { counters, onArrival } = this.#options;
    if (this.#told !== group) group.afterwards(onArrival);
    this.#told = group;
    counters.add(group, "deadLetters");
    const number = counters.add(group, "dead");
    writer.text16(queue);
    const errorBytes = encodeError(error);
    writer.uint32(errorBytes.length);
    writer.bytes(errorBytes);
    writer.uint8(slot.lane);
    writer.uint53(slot.position);
    writer.bytes(encodeReturned(slot.body, history));
    const row: Write = { table: "dead", a: 0, b: number, value: writer.take() };
    group.join({ seal: (writes) => void writes.push(row), committed: nothing, reverted: nothing });
  }

  get(number: number): StoredDeadLetter | undefined {
    const value = this.#options.storage.read("dead", 0, number);
    return value === undefined ? undefined : decodeDeadLetter({ a: 0, b: number, value });
  }

  /** @returns false when the present group has removed it already. */
  remove(group: Group, number: number): boolean {
    if (this.#removed.has(number)) return false;
    this.#removed.add(number);
    this.#options.counters.add(group, "deadLetters", -1);
    const forget = () => void this.#removed.delete(number);
    const row: Write = { table: "dead", a: 0, b: number, value: undefined };
    group.join({ seal: (writes) => void writes.push(row), committed: forget, reverted: forget });
    return true;
  }

  /** Those with a number above `after`, some of them. */
  list(after: number, rows: number): readonly StoredDeadLetter[] {
    const limits = { rows, bytes: 2 ** 20 };
    return this.#options.storage
      .scan("dead", 0, Math.min(after + 1, keyMax), 0, limits)
      .map(decodeDeadLetter);
  }
}

const nothing = () => {};

/** The dead letter that a row of `dead` holds. */
export function decodeDeadLetter({ b, value }: NumberedRow): StoredDeadLetter {
  const reader = new ByteReader(value);
  const queue = reader.text16("queue");
  const error = decodeError(reader.bytes("error", reader.uint32("error")));
  const lane = (reader.uint8("lane") & 3) as Lane;
  const position = reader.uint53("position");
  const rest = reader.bytes("message", reader.left);
  const slot = new Slot(returnedPage({ a: 0, b: position, value: rest }), 0, lane);
  const { key, frame, history } = slot;
  const { attempts, firstFailureMs, lastFailureMs, past } = history;
  const message: QueuedMessage = {
    frame,
    lane,
    // What it was sent with has been kept: it was offered at least once, and a person sends it again.
    guarantee: "at-least-once",
    id: "",
    ...(key === undefined ? {} : { key }),
  };
  return {
    number: b,
    queue,
    position,
    frame,
    error,
    attempts,
    firstFailureMs,
    lastFailureMs,
    history: decodeFailures(past),
    message,
  };
}
