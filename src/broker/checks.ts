/** What can be said about a call before it goes anywhere: arguments, and what a broker cannot do. */
import { ColloquyError, type ErrorCode, isErrorInfo } from "../errors.ts";
import { assertTopic } from "../message/topic.ts";
import type {
  BrowseRange,
  Capabilities,
  Claim,
  Effect,
  Outcome,
  QueuedMessage,
  ReceiveOptions,
  Report,
  Settlement,
  StoreWrite,
} from "./broker.ts";

/** Characters of the name of a queue. */
export const queueNameCharactersMax = 512;
/** Characters of an order key, of the name of a stream, and of a store's key. */
export const keyCharactersMax = 1_024;
/** Characters of a message's id, and of an incarnation's. */
export const messageIdCharactersMax = 256;

const guarantees: readonly string[] = ["at-most-once", "at-least-once", "exactly-once"];
const normalLane = 2;
/** Of a value in an error. */
const shownCharactersMax = 100;

/** Checks calls to a broker called `broker`. All methods throw what the call has to reject with. */
export class CallChecks {
  readonly #broker: string;
  readonly #capabilities: () => Capabilities;

  /** @param capabilities - asked for each call: they can change with a reconnection. */
  constructor(broker: string, capabilities: () => Capabilities) {
    this.#broker = broker;
    this.#capabilities = capabilities;
  }

  /** A queue is an address, and a wrong one is told as that. */
  queue(name: string): void {
    const problem = textProblem(name, queueNameCharactersMax);
    if (problem !== undefined) throw invalid("queue", name, problem, "INVALID_ADDRESS");
  }

  queues(names: readonly string[]): void {
    for (const name of names) this.queue(name);
  }

  key(field: string, key: string): void {
    assertText(field, key, keyCharactersMax);
  }

  keys(keys: readonly string[]): void {
    for (const key of keys) this.key("key", key);
  }

  frame(field: string, frame: Uint8Array): void {
    if (!(frame instanceof Uint8Array)) throw invalid(field, typeof frame, "bytes");
    const { frameBytesMax } = this.#capabilities();
    if (frame.length <= frameBytesMax) return;
    const message = `${field}: ${frame.length} bytes, the limit is ${frameBytesMax}`;
    throw new ColloquyError("MESSAGE_TOO_LARGE", message, {
      details: { field, bytes: frame.length, bytesMax: frameBytesMax },
    });
  }

  message(message: QueuedMessage): void {
    const { frame, lane, guarantee, id, key, notBeforeMs, expiresAtMs, origin } = message;
    this.frame("frame", frame);
    if (!Number.isInteger(lane) || lane < 0 || lane > 3) throw invalid("lane", lane, "0 to 3");
    if (!guarantees.includes(guarantee)) throw invalid("guarantee", guarantee, guarantees);
    assertText("id", id, messageIdCharactersMax);
    const { priorities, keyOrder, delay, exactlyOnce } = this.#capabilities();
    if (lane !== normalLane && !priorities) throw this.#unsupported("lane", "priorities");
    if (guarantee === "exactly-once" && !exactlyOnce) {
      throw this.#unsupported("guarantee", "exactly-once");
    }
    if (key !== undefined) {
      this.key("key", key);
      if (!keyOrder) throw this.#unsupported("key", "order by key");
    }
    if (notBeforeMs !== undefined) {
      atLeast("notBeforeMs", notBeforeMs, 0);
      if (!delay) throw this.#unsupported("notBeforeMs", "delays");
    }
    if (expiresAtMs !== undefined) atLeast("expiresAtMs", expiresAtMs, 0);
    if (origin === undefined) return;
    assertText("origin.incarnation", origin.incarnation, messageIdCharactersMax);
    wholeAtLeast("origin.sequence", origin.sequence, 1);
    wholeAtLeast("origin.repeatsFrom", origin.repeatsFrom, 0);
  }

  receive(queue: string, { credit, claims = [] }: ReceiveOptions): void {
    this.queue(queue);
    wholeAtLeast("credit", credit, 1);
    if (credit > creditMax) throw invalid("credit", credit, `at most ${creditMax}`);
    for (const claim of claims) this.#claim(claim);
  }

  range({ after, limit }: BrowseRange): void {
    if (after !== undefined) wholeAtLeast("after", after, 0);
    if (limit !== undefined) wholeAtLeast("limit", limit, 1);
  }

  settlement(settlement: Settlement): void {
    this.#claim(settlement);
    const { outcome, effects = [] } = settlement;
    const kind = outcome?.kind;
    if (!Object.hasOwn(needsError, String(kind))) {
      throw invalid("outcome", kind, Object.keys(needsError).join(", "));
    }
    if (lacksError(outcome)) throw invalid("error", outcome.kind, "an outcome with its error");
    if (kind === "done" && outcome.result !== undefined) this.frame("result", outcome.result);
    if (kind === "retry") {
      atLeast("delayMs", outcome.delayMs, 0);
      const { delay } = this.#capabilities();
      if (outcome.delayMs > 0 && !delay) throw this.#unsupported("delayMs", "delays");
    }
    if (effects.length === 0) return;
    if (kind !== "done" && kind !== "failed" && kind !== "dead") {
      throw invalid("effects", effects.length, `none with the outcome "${kind}"`);
    }
    for (const effect of effects) this.#effect(effect);
  }

  report(report: Report): void {
    this.#claim(report);
    if (report.kind === "progress") this.frame("progress", report.data);
    if (report.kind !== "waiting-input") return;
    wholeAtLeast("number", report.number, 1);
    this.frame("question", report.question);
  }

  write({ key, value, ifRevision, ttlMs }: StoreWrite): void {
    this.key("key", key);
    if (value !== undefined) this.frame("value", value);
    if (ifRevision !== undefined) wholeAtLeast("ifRevision", ifRevision, 0);
    if (ttlMs !== undefined) atLeast("ttlMs", ttlMs, Number.MIN_VALUE);
  }

  append(stream: string, entries: readonly Uint8Array[], at: number | undefined): void {
    this.key("stream", stream);
    for (const entry of entries) this.frame("entry", entry);
    if (at !== undefined) wholeAtLeast("at", at, 1);
  }

  #claim({ queue, position, fence }: Claim): void {
    this.queue(queue);
    wholeAtLeast("position", position, 0);
    wholeAtLeast("fence", fence, 0);
  }

  #effect(effect: Effect): void {
    const { store, log } = this.#capabilities();
    switch (effect.kind) {
      case "enqueue":
        this.queue(effect.queue);
        this.message(effect.message);
        return;
      case "publish":
        assertTopic(effect.topic, "internal");
        this.frame("frame", effect.frame);
        return;
      case "put":
        if (!store) throw this.#unsupported("effects", "a store");
        this.write(effect);
        return;
      case "append":
        if (!log) throw this.#unsupported("effects", "a log");
        this.append(effect.stream, effect.entries, effect.at);
        return;
      default:
        throw invalid("effects", (effect as Effect).kind, "enqueue, publish, put or append");
    }
  }

  #unsupported(field: string, feature: string): ColloquyError<"UNSUPPORTED"> {
    return unsupported(this.#broker, feature, field);
  }
}

const needsError: Readonly<Record<Outcome["kind"], boolean>> = {
  done: false,
  failed: true,
  retry: true,
  dead: true,
  expired: true,
  rescinded: true,
  cancelled: true,
  release: false,
};

/** True where an error belongs to the outcome and is not there, or is none. */
export function lacksError(outcome: Outcome): boolean {
  return needsError[outcome.kind] && !isErrorInfo("error" in outcome ? outcome.error : undefined);
}

/** What a broker says that it cannot do. */
export function unsupported(
  broker: string,
  feature: string,
  field: string = feature,
): ColloquyError<"UNSUPPORTED"> {
  const message = `${field}: the broker ${broker} has no ${feature}`;
  return new ColloquyError("UNSUPPORTED", message, { details: { field, feature, broker } });
}

/** Deliveries that a receiver may ask to hold at a time: whoever hands them out keeps each in mind. */
export const creditMax: number = 2 ** 20;

export function wholeAtLeast(field: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw invalid(field, value, `a whole number, ${least} or more`);
  }
}

function atLeast(field: string, value: number, least: number): void {
  if (Number.isFinite(value) && value >= least) return;
  throw invalid(field, value, least > 0 ? "a number above 0" : `a number, ${least} or more`);
}

function assertText(field: string, text: string, charactersMax: number): void {
  const problem = textProblem(text, charactersMax);
  if (problem !== undefined) throw invalid(field, text, problem);
}

/** What the text is not; undefined when nothing is wrong with it. */
function textProblem(text: string, charactersMax: number): string | undefined {
  const fits = typeof text === "string" && text.length > 0 && text.length <= charactersMax;
  // A lone surrogate has no UTF-8, and would come back as another character.
  return fits && text.isWellFormed() ? undefined : `text of 1 to ${charactersMax} characters`;
}

function invalid(
  field: string,
  value: unknown,
  limit: unknown,
  code: ErrorCode = "INVALID_OPTION",
): ColloquyError {
  const shown = String(value).slice(0, shownCharactersMax);
  return new ColloquyError(code, `${field}: ${shown} is not ${String(limit)}`, {
    details: { field, value: shown, limit },
  });
}
