/** Everything asked of the hub that has no frame of its own: a method, parameters, and an answer. */
import { ColloquyError, errorFromInfo } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { type Frame, frameTypes } from "../../message/frame.ts";
import type { EncodedPayload } from "../../message/message.ts";
import { cancelledError, onAbort } from "../../runtime/abort.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { encodeParameters, readNote, readReply, writeEncodedCall } from "./operations/call.ts";
import { writeNumbered } from "./operations/numbered.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * False for what would do its work twice when asked twice: if the link breaks before the answer, the
   * call fails with INDETERMINATE. Everything else is asked again of the next session.
   */
  readonly repeatable: boolean;
  /** Of what may be asked again: why its answer is not known where the last of several questions got `value`. */
  readonly unclear?: (value: unknown) => ColloquyError | undefined;
  /** Small and urgent: where data waits for a slow link it passes that, and what was called before it. Default: false. */
  readonly urgent?: boolean;
  /** With it the call stays open after its answer: called with every note, until the signal aborts. */
  readonly onNote?: (value: unknown) => void;
  /** With `onNote`: the call was open, and the hub that came back refuses it. */
  readonly onEnded?: ((error: ColloquyError) => void) | undefined;
}

interface Call {
  readonly method: string;
  readonly payload: EncodedPayload;
  readonly options: CallOptions;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  sent: number;
  answered: boolean;
  stopListening: () => void;
}

export class Calls implements SessionPart {
  readonly #connection: HubConnection;
  readonly #bytesMax: number;
  readonly #open = new Map<number, Call>();
  #bytes = 0;
  #numbers = 0;

  /** @param bytesMax - of the parameters of all that are open. */
  constructor(connection: HubConnection, bytesMax: number) {
    this.#connection = connection;
    this.#bytesMax = bytesMax;
    connection.handle(frameTypes.REPLY, (frame) => this.#reply(frame));
    connection.handle(frameTypes.NOTE, (frame) => this.#note(frame));
    connection.add(this);
  }

  /** Resolves with the value of the answer. @throws MESSAGE_TOO_LARGE when the parameters are, QUEUE_FULL. */
  async call(method: string, parameters: unknown, options: CallOptions): Promise<unknown> {
    const { signal } = options;
    const { failure } = this.#connection;
    if (failure !== undefined) throw failure;
    if (signal?.aborted === true) throw cancelledError(signal);
    const payload = encodeParameters(parameters);
    const bytes = payload.bytes.length;
    // One alone may have more: what is large must not be refused for ever.
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) throw this.#full();
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      const number = ++this.#numbers;
      const call: Call = {
        method,
        payload,
        options,
        resolve,
        reject,
        sent: 0,
        answered: false,
        stopListening: onAbort(signal, () => this.#hangUp(number, call)),
      };
      const { output } = this.#connection;
      if (output !== undefined) this.#send(number, call, output);
      this.#open.set(number, call);
    });
  }

  begun(output: FrameOutput): void {
    for (const [number, call] of this.#open) this.#send(number, call, output);
  }

  lost(): void {
    for (const [number, call] of this.#open) {
      if (call.options.repeatable) continue;
      const message = `the hub went away before it answered ${call.method}`;
      this.#finish(number, call);
      call.reject(new ColloquyError("INDETERMINATE", message));
    }
  }

  closed(error: ColloquyError): void {
    for (const [number, call] of this.#open) {
      this.#finish(number, call);
      call.reject(error);
    }
  }

  #send(number: number, call: Call, output: FrameOutput): void {
    // In its order, unless that means to wait.
    const passes = call.options.urgent === true && output.backlogBytes > 0;
    const writer = passes ? output.control : output.data;
    writeEncodedCall(writer, number, call.method, call.payload);
    call.sent++;
    output.written();
  }

  #reply(frame: Frame): void {
    const reply = readReply(frame);
    const call = this.#open.get(reply.number);
    if (call === undefined) return;
    if (call.options.onNote === undefined || !reply.ok) this.#finish(reply.number, call);
    const unclear = reply.ok && call.sent > 1 ? call.options.unclear?.(reply.value) : undefined;
    if (unclear !== undefined) call.reject(unclear);
    else if (reply.ok) call.resolve(reply.value);
    else if (call.answered) call.options.onEnded?.(errorFromInfo(reply.error));
    else call.reject(errorFromInfo(reply.error));
    call.answered = true;
  }

  #note(frame: Frame): void {
    const { number, value } = readNote(frame);
    this.#open.get(number)?.options.onNote?.(value);
  }

  #hangUp(number: number, call: Call): void {
    if (!this.#open.delete(number)) return;
    this.#bytes -= call.payload.bytes.length;
    call.reject(cancelledError(call.options.signal as AbortSignal));
    const { output } = this.#connection;
    if (output === undefined) return;
    writeNumbered(output.data, frameTypes.HANGUP, number);
    output.written();
  }

  #finish(number: number, call: Call): void {
    if (this.#open.delete(number)) this.#bytes -= call.payload.bytes.length;
    call.stopListening();
  }

  #full(): ColloquyError<"QUEUE_FULL"> {
    const limit = this.#bytesMax;
    return new ColloquyError("QUEUE_FULL", `callBytesMax ${limit} is reached`, {
      details: { limit: "callBytesMax", value: limit },
    });
  }
}
