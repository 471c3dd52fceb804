/**
 * A message that is put into a stream, and what its tries have told so far. It goes
 *
 *   together    with others in a batch, or by itself where few wait: so it begins
 *   alone       by itself: it was refused with others, or is the first that may tell of a lost batch
 *   as stored   by itself, and all at once: it is stored, only its sequence is not known
 *
 * All of a batch is stored, or nothing. So where its answer is lost, the first of each order that is answered
 * tells of all others: they are stored, and cannot overtake one another any more, or go together once more.
 * One that may have been stored in another way as well, before or since, tells nothing; then the next one does.
 */
import type { ColloquyError } from "../../../errors.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { PublishAcknowledgement, StreamMessage } from "../jetstream.ts";
import type { Departing } from "./departures.ts";

/** How long it is tried; well within the window in which the server knows it again. */
const triesMs = 60_000;

export interface Stored extends PublishAcknowledgement {
  /** It was sent more than once. */
  readonly repeated: boolean;
}

/** Of which the answer was lost. */
export interface LostBatch {
  wasStored: boolean | undefined;
}

export class PublishJob implements Departing {
  readonly message: StreamMessage;
  /** For people, in errors. */
  readonly what: string;
  readonly order: string | undefined;
  readonly outcome: Deferred<Stored> = new Deferred();
  #tries = 0;
  /** Set when it first sets out. */
  #untilMs: number | undefined;
  #isAlone = false;
  #doubt: ColloquyError | undefined;
  /** The one that may have stored it, where nothing else may. */
  #lostBatch: LostBatch | undefined;

  /** @param isOrdered - it must not be overtaken by others of its subject. */
  constructor(message: StreamMessage, what: string, isOrdered: boolean) {
    this.message = message;
    this.what = what;
    this.order = isOrdered ? message.subject : undefined;
  }

  get how(): "together" | "alone" | "as stored" {
    if (this.#isAlone) return "alone";
    if (this.order === undefined || this.#lostBatch === undefined) return "together";
    if (this.#lostBatch.wasStored === undefined) return "alone";
    return this.#lostBatch.wasStored ? "as stored" : "together";
  }

  /** How the first try ended that may have stored it. */
  get doubt(): ColloquyError | undefined {
    return this.#doubt;
  }

  get isRepeated(): boolean {
    return this.#tries > 1;
  }

  isLate(nowMs: number): boolean {
    return this.#untilMs !== undefined && nowMs >= this.#untilMs;
  }

  setsOut(nowMs: number): void {
    this.#tries++;
    this.#untilMs ??= nowMs + triesMs;
    if (this.#lostBatch?.wasStored === false) this.#doubt = this.#lostBatch = undefined;
  }

  /** The answer was lost. */
  lost(doubt: ColloquyError): void {
    this.#doubt ??= doubt;
    if (this.#lostBatch?.wasStored !== true) this.#lostBatch = undefined;
  }

  /** The answer to all of `batch` was lost. */
  lostWith(batch: LostBatch, doubt: ColloquyError): void {
    this.#lostBatch = this.#doubt === undefined ? batch : undefined;
    this.#doubt ??= doubt;
  }

  /** Nothing of a batch was stored, for whatever one of it. */
  refusedWithOthers(): void {
    this.#tries--;
    this.#isAlone = true;
  }

  stored({ seq, duplicate }: PublishAcknowledgement): void {
    if (this.#lostBatch !== undefined) this.#lostBatch.wasStored = duplicate;
    this.outcome.resolve({ seq, duplicate, repeated: this.isRepeated });
  }
}
