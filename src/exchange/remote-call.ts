/** A request to an agent of another process, from sending it to its answer. */
import { ColloquyError, errorFromInfo, isErrorCode, type TimeoutOutcome } from "../errors.ts";
import { agentAddress } from "../message/address.ts";
import type { Envelope, Sender } from "../message/envelope.ts";
import type { Message } from "../message/message.ts";
import { decodePayload } from "../message/payload.ts";
import type { Candidate } from "../routing/candidate.ts";
import { onAbort } from "../runtime/abort.ts";
import { type ControlName, sendControl } from "./control.ts";
import { envelopeOf } from "./envelopes.ts";
import { pastDeadline, timedOut, unreachable } from "./failures.ts";
import { type StreamOptions, startWaitMs, timeoutMsDefault } from "./options.ts";
import { encodeBody, type Site, Timed } from "./site.ts";
import type { StreamReader } from "./stream.ts";
import type { Work } from "./work.ts";

export interface RemoteCallInput {
  readonly site: Site;
  readonly kind: "request" | "stream";
  readonly from: Sender;
  readonly name: string;
  readonly input: unknown;
  readonly options: StreamOptions;
  readonly cause: Work | undefined;
  readonly deadlineAtMs: number;
  readonly target: Candidate;
}

/** What a call needs of the table it is in. */
export interface CallTable {
  /** Nobody listened at the target's inbox: sends the call elsewhere, again, or fails it. */
  unheard(call: RemoteCall): void;
  forget(call: RemoteCall): void;
}

export class RemoteCall extends Timed {
  readonly input: RemoteCallInput;
  readonly id: string;
  readonly reader: StreamReader | undefined;
  target: Candidate;
  readonly #table: CallTable;
  readonly #site: Site;
  readonly #resolve: (result: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timeoutMs: number;
  #frame: Uint8Array;
  #known: TimeoutOutcome = "unknown";
  #heard = false;
  #final = false;
  #sentAtMs = 0;
  #forgetSignal: (() => void) | undefined;

  /** @throws SERIALIZATION_ERROR or MESSAGE_TOO_LARGE when the input cannot travel. */
  constructor(
    input: RemoteCallInput,
    table: CallTable,
    resolve: (result: unknown) => void,
    reject: (error: unknown) => void,
    reader?: StreamReader,
  ) {
    super();
    this.input = input;
    this.target = input.target;
    this.reader = reader;
    this.#table = table;
    this.#site = input.site;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timeoutMs = input.options.timeoutMs ?? timeoutMsDefault;
    const envelope = this.#envelope();
    this.id = envelope.id;
    this.#frame = this.#encode(envelope);
  }

  get final(): boolean {
    return this.#final;
  }

  begin(): void {
    const { signal } = this.input.options;
    this.#site.timeouts.add(this, this.#waitMs(Math.min(startWaitMs, this.#timeoutMs)));
    this.#sentAtMs = this.#site.clock.monotonicMs();
    this.target.outstanding++;
    if (signal !== undefined) this.#forgetSignal = onAbort(signal, () => this.#abort(signal));
    if (!this.#final) this.send();
  }

  /** Sends the request, also again: its id tells the handler's process what it has seen. */
  send(): void {
    const topic = this.#site.space.inbox(this.target.instance);
    this.#site.broker.topics.publish([
      { topic, frame: this.#frame, onUnheard: () => this.#onUnheard() },
    ]);
  }

  /** Sends it to another agent instead; the one before never got it. */
  redirect(target: Candidate): void {
    this.target.outstanding--;
    this.target = target;
    target.outstanding++;
    this.#frame = this.#encode({ ...this.#envelope(), id: this.id });
    this.send();
  }

  /** After a reconnect: asks what became of the request. `onUnheard` when nobody is there. */
  inquire(onUnheard: () => void): void {
    const sentAgoMs = this.#site.clock.monotonicMs() - this.#sentAtMs;
    this.#tell("inquiry", { sequence: this.reader?.received ?? 0, data: { sentAgoMs }, onUnheard });
  }

  /** Tells the writer of a streamed answer how far it may go. */
  grant(credit: number): void {
    if (!this.#final) this.#tell("credit", { credit });
  }

  /** The caller has given up: the handler is told, its answer will be dropped. */
  cancel(reason: ColloquyError): void {
    if (this.#final) return;
    this.#tell("cancel", {});
    this.fail(reason);
  }

  fail(error: unknown): void {
    if (this.#final) return;
    this.#finish();
    this.#reject(error);
  }

  /** Nobody can say any more what became of it. */
  lose(): void {
    this.fail(unreachable(this.input.name, this.target.card.id, "unknown"));
  }

  /** Nobody listened, and there is nobody else. */
  refuse(): void {
    this.fail(unreachable(this.input.name, this.target.card.id, "not-started"));
  }

  override expire(): void {
    const late = this.#site.clock.nowMs() >= this.input.deadlineAtMs;
    const waitedMs = this.#heard ? this.#timeoutMs : Math.min(startWaitMs, this.#timeoutMs);
    this.cancel(
      late
        ? pastDeadline(this.input.name, this.#known)
        : timedOut(this.input.name, waitedMs, this.#known),
    );
  }

  onControl({ envelope, payload }: Message): void {
    switch (envelope.name) {
      case "accepted":
        this.#known = decodePayload(payload) === "started" ? "in-progress" : "not-started";
        return this.#alive();
      case "progress":
        this.#known = "in-progress";
        this.input.options.onProgress?.(decodePayload(payload));
        return this.#alive();
      case "missing":
        if (this.reader === undefined || this.reader.received === 0) return this.send();
        return this.fail(cut(this.input.name, this.reader.received));
      case "forgotten":
        return this.lose();
      default:
        return;
    }
  }

  onAnswer({ envelope, payload }: Message): void {
    if (envelope.kind === "error") return this.fail(thrownBy(decodePayload(payload)));
    const { reader } = this;
    if (envelope.status === "partial") {
      this.#known = "in-progress";
      this.#alive();
      const taken = reader?.push(envelope.sequence ?? 0, decodePayload(payload));
      if (taken === false) this.cancel(cut(this.input.name, reader?.received ?? 0));
      return;
    }
    if (reader !== undefined && (envelope.sequence ?? 0) !== reader.received) {
      return this.fail(cut(this.input.name, reader.received));
    }
    const result = decodePayload(payload);
    this.target.learn(this.#site.clock.monotonicMs() - this.#sentAtMs);
    this.#finish();
    this.#resolve(result);
  }

  #alive(): void {
    this.#heard = true;
    this.#site.timeouts.add(this, this.#waitMs(this.#timeoutMs));
  }

  #waitMs(idleMs: number): number {
    const { deadlineAtMs } = this.input;
    if (deadlineAtMs === Number.POSITIVE_INFINITY) return idleMs;
    return Math.max(0, Math.min(idleMs, deadlineAtMs - this.#site.clock.nowMs()));
  }

  #abort(signal: AbortSignal): void {
    const { name } = this.input;
    this.cancel(new ColloquyError("CANCELLED", `${name} was cancelled`, { cause: signal.reason }));
  }

  #onUnheard(): void {
    if (!this.#final && !this.#heard) this.#table.unheard(this);
  }

  #finish(): void {
    this.#final = true;
    this.target.outstanding--;
    this.#site.timeouts.remove(this);
    this.#forgetSignal?.();
    this.#table.forget(this);
  }

  #tell(
    name: ControlName,
    more: {
      readonly data?: unknown;
      readonly credit?: number;
      readonly sequence?: number;
      readonly onUnheard?: () => void;
    },
  ): void {
    sendControl(this.#site, {
      name,
      from: this.input.from,
      to: this.target.card.id,
      topic: this.#site.space.inbox(this.target.instance),
      correlationId: this.id,
      replyTo: this.#site.space.inbox(this.#site.instance),
      ...more,
    });
  }

  #envelope(): Envelope {
    const { kind, name, from, options, cause, deadlineAtMs } = this.input;
    const envelope = envelopeOf(this.#site, {
      kind: "request",
      name,
      from,
      to: [agentAddress(this.target.card.id)],
      options,
      cause,
      deadlineAtMs,
      replyTo: this.#site.space.inbox(this.#site.instance),
    });
    // A request without credit asks for one answer, one with credit for chunks.
    return kind === "stream" ? { ...envelope, credit: this.reader?.granted ?? 1 } : envelope;
  }

  #encode(envelope: Envelope): Uint8Array {
    return encodeBody(this.#site, envelope, this.input.input);
  }
}

function cut(name: string, received: number): ColloquyError<"STREAM_CUT"> {
  return new ColloquyError("STREAM_CUT", `${name}: the stream was cut after chunk ${received}`, {
    details: { name, received },
  });
}

/** The error another process sent; what it says is data, its code is checked. */
function thrownBy(sent: unknown): ColloquyError {
  const { code, message, retryable, details } = (sent ?? {}) as Record<string, unknown>;
  return errorFromInfo({
    code: isErrorCode(code) ? code : "HANDLER_FAILED",
    message: typeof message === "string" ? message : "the handler failed",
    retryable: retryable === true,
    ...(typeof details === "object" && details !== null
      ? { details: details as Record<string, unknown> }
      : {}),
  });
}
