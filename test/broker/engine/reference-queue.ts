/**
 * What a queue may do, in the fewest words: a list of messages, and for each what was seen of it. It is
 * told everything that an engine answers and offers, and throws when that breaks a promise.
 */
import type {
  Attempts,
  Delivery,
  MessageState,
  Outcome,
  QueuedMessage,
} from "../../../src/broker/broker.ts";

export interface Reference {
  readonly position: number;
  readonly message: QueuedMessage;
  /** Not offered before. */
  dueMs: number;
  attempts: Attempts;
  /** Of the last attempt; 0 when there was none. */
  fence: number;
  state: "waiting" | "offered" | "final";
  /** Offered since it was last known that no handler had started. */
  mayHaveStarted: boolean;
  /** Set once the sender can be told. */
  final: MessageState | undefined;
  /** Which receiver has it. */
  holder: unknown;
}

export class ReferenceQueue {
  readonly messages: Map<number, Reference> = new Map();
  readonly #name: string;
  readonly #ids = new Map<string, number>();

  constructor(name: string) {
    this.#name = name;
  }

  stored(message: QueuedMessage, position: number, duplicate: boolean): void {
    const { guarantee, id } = message;
    const first = guarantee === "exactly-once" ? this.#ids.get(id) : undefined;
    this.#demand(!duplicate || first === position, `a duplicate of ${first}`, position);
    if (duplicate) return;
    this.#demand(first === undefined, `${id} is stored once`, position);
    const last = Math.max(0, ...this.messages.keys());
    this.#demand(position > last, `positions count up from ${last}`, position);
    if (guarantee === "exactly-once") this.#ids.set(id, position);
    this.messages.set(position, {
      position,
      message,
      dueMs: message.notBeforeMs ?? 0,
      attempts: { failures: 0, pickups: 0, crashes: 0 },
      fence: 0,
      state: "waiting",
      mayHaveStarted: false,
      final: undefined,
      holder: undefined,
    });
  }

  offered({ position, fence, frame, attempts }: Delivery, nowMs: number, holder: unknown): void {
    const reference = this.messages.get(position);
    this.#demand(reference !== undefined, "it was stored", position);
    if (reference === undefined) return;
    const { message } = reference;
    this.#demand(Buffer.compare(frame, message.frame) === 0, "its bytes are its own", position);
    this.#demand(
      reference.state === "waiting",
      `it waits, and is not ${reference.state}`,
      position,
    );
    this.#demand(reference.dueMs <= nowMs, `it is due at ${reference.dueMs}`, position);
    this.#demand((message.expiresAtMs ?? Infinity) > nowMs, "it has not expired", position);
    this.#demand(fence > reference.fence, `its fence is above ${reference.fence}`, position);
    const once = message.guarantee === "at-most-once";
    this.#demand(!once || !reference.mayHaveStarted, "it is offered at most once", position);
    const found = JSON.stringify(attempts);
    const expected = JSON.stringify(reference.attempts);
    this.#demand(found === expected, `attempts ${found} are ${expected}`, position);
    const before = this.#blocking(reference);
    this.#demand(before === undefined, `its key waits for ${before?.position}`, position);
    reference.state = "offered";
    reference.mayHaveStarted = true;
    reference.fence = fence;
    reference.holder = holder;
  }

  settled(position: number, outcome: Outcome, nowMs: number): void {
    const reference = this.messages.get(position);
    this.#demand(
      reference !== undefined && reference.state !== "final",
      "it is not final",
      position,
    );
    if (reference === undefined) return;
    const once = reference.message.guarantee === "at-most-once";
    const { attempts } = reference;
    if (outcome.kind === "done") {
      const { result } = outcome;
      this.#end(reference, result === undefined ? { state: "done" } : { state: "done", result });
    } else if (outcome.kind === "dead" || outcome.kind === "failed") {
      this.#end(reference, { state: outcome.kind, error: outcome.error });
    } else if (outcome.kind === "release") {
      reference.mayHaveStarted = false;
      this.cameBack(reference, "pickups");
    } else if (outcome.kind !== "retry") {
      this.#end(reference, { state: outcome.kind, error: outcome.error });
    } else if (once) {
      this.#end(reference, undefined);
    } else {
      reference.attempts = { ...attempts, failures: attempts.failures + 1 };
      reference.dueMs = nowMs + outcome.delayMs;
      reference.state = "waiting";
    }
  }

  /** Its receiver has ended; at the third crash it is dead. */
  cameBack(reference: Reference, why: "pickups" | "crashes"): void {
    const { attempts, message } = reference;
    reference.attempts = { ...attempts, [why]: attempts[why] + 1 };
    reference.state = "waiting";
    reference.holder = undefined;
    const dead = reference.attempts.crashes >= 3 || reference.attempts.pickups >= 20;
    const lost = message.guarantee === "at-most-once" && reference.mayHaveStarted;
    if (dead || lost) this.#end(reference, undefined);
  }

  /** The engine was killed: what was offered may be claimed, or is offered again. */
  recovered(): void {
    for (const reference of this.offeredMessages()) {
      if (reference.message.guarantee === "at-most-once") this.#end(reference, undefined);
      else reference.state = "waiting";
      reference.holder = undefined;
    }
  }

  offeredMessages(): readonly Reference[] {
    return [...this.messages.values()].filter(({ state }) => state === "offered");
  }

  /** That the engine says the same of the message. */
  check(position: number, state: MessageState, nowMs: number): void {
    const reference = this.messages.get(position);
    if (reference === undefined) return;
    const { final, message } = reference;
    if (reference.state === "final") {
      const queued = state.state === "queued" || state.state === "offered";
      this.#demand(!queued, `it is final, and not ${state.state}`, position);
      if (final !== undefined) {
        this.#demand(JSON.stringify(final) === JSON.stringify(state), `${final.state}`, position);
      }
      return;
    }
    const expired = state.state === "expired" && (message.expiresAtMs ?? Infinity) <= nowMs;
    if (expired && reference.state === "waiting") this.#end(reference, undefined);
    else if (message.guarantee !== "at-most-once") {
      const expected = reference.state === "offered" ? "offered" : "queued";
      this.#demand(state.state === expected, `it is ${expected}, and not ${state.state}`, position);
    }
  }

  /** An older message of the same key and lane that has to be final first. */
  #blocking({ position, message }: Reference): Reference | undefined {
    const { key, lane } = message;
    if (key === undefined) return undefined;
    for (const other of this.messages.values()) {
      if (other.state === "final" || other.message.key !== key || other.message.lane !== lane) {
        continue;
      }
      if (other.state === "offered") return other;
      // One that was scheduled takes its place only when its time has come.
      const inLine = other.fence > 0 || other.message.notBeforeMs === undefined;
      if (other.position < position && inLine && !this.#mayHaveEnded(other)) return other;
    }
    return undefined;
  }

  /** Expiry and loss (at most once) are not told to anybody at their time. */
  #mayHaveEnded({ message }: Reference): boolean {
    return message.expiresAtMs !== undefined || message.guarantee === "at-most-once";
  }

  #end(reference: Reference, final: MessageState | undefined): void {
    reference.state = "final";
    reference.final = final;
    reference.holder = undefined;
  }

  #demand(holds: boolean, promise: string, position: number): void {
    if (!holds) throw new Error(`${this.#name} ${position}: expected that ${promise}`);
  }
}
