/** Calls of one session: each runs until it has answered, or for as long as it stays open. */

import type { Broker } from "../broker/broker.ts";
import {
  type CallOperation,
  readCall,
  writeErrorReply,
  writeNote,
  writeReply,
} from "../broker/hub/operations/call.ts";
import { readNumbered } from "../broker/hub/operations/numbered.ts";
import { errorInfo, isColloquyError } from "../errors.ts";
import { frameTypes } from "../message/frame.ts";
import type { FrameWriter } from "../message/frame-writer.ts";
import type { BoundEntries } from "./bound-entries.ts";
import { type CallContext, callMethod } from "./call-methods.ts";
import { Cursors } from "./cursors.ts";
import { checkOpen, checkUnused } from "./limits.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";

/** Calls of one session that are being answered at a time; their answers are all it can make wait. */
const answeringMax = 64;

/** These may wait for long before there is something to answer. */
const patient: ReadonlySet<string> = new Set(["cursor.more", "log.read", "store.watch"]);

/** Answered at once and past data that waits: it takes nothing, and says little. */
const urgent = "queues.cancel";

export class SessionCalls implements SessionPort {
  readonly #session: SessionContext;
  readonly #broker: Broker;
  readonly #bound: BoundEntries;
  readonly #cursors = new Cursors();
  readonly #open = new Map<number, AbortController>();
  #answering = 0;
  readonly #queue: (() => void)[] = [];

  constructor(session: SessionContext, broker: Broker, bound: BoundEntries) {
    this.#session = session;
    this.#broker = broker;
    this.#bound = bound;
    session.handleInOrder(frameTypes.CALL, (frame) => {
      const call = readCall(frame);
      checkOpen("calls", this.#open.size, session.limits);
      checkUnused("call", this.#open.has(call.number));
      this.#open.set(call.number, new AbortController());
      const answered = this.#answer(call);
      session.guard(answered);
      if (patient.has(call.method)) return;
      session.occupy(
        answered.catch(() => {}),
        frame.end - frame.start,
      );
    });
    session.handleInOrder(frameTypes.HANGUP, (frame) => {
      const number = readNumbered(frame);
      this.#open.get(number)?.abort();
      this.#open.delete(number);
    });
  }

  end(): void {
    for (const call of this.#open.values()) call.abort();
    this.#open.clear();
    this.#cursors.closeAll();
  }

  /** In its turn, and not before the client has read most of what it asked for earlier. */
  async #answer(call: CallOperation): Promise<void> {
    const { signal } = this.#open.get(call.number) as AbortController;
    if (call.method === "cursor.more" || call.method === urgent) return this.#run(call, signal);
    while (this.#answering >= answeringMax) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    this.#answering++;
    try {
      const { output, limits } = this.#session;
      if (output.backlogBytes > 0) await output.below(limits.backlogBytesMax);
      if (!signal.aborted) await this.#run(call, signal);
    } finally {
      this.#answering--;
      this.#queue.shift()?.();
    }
  }

  #writerOf(method: string): FrameWriter {
    const { output } = this.#session;
    return method === urgent && output.backlogBytes > 0 ? output.control : output.data;
  }

  async #run({ number, method, parameters }: CallOperation, signal: AbortSignal): Promise<void> {
    const { output, limits } = this.#session;
    let staysOpen = false;
    const context: CallContext = {
      broker: this.#broker,
      cursors: this.#cursors,
      bound: this.#bound,
      number,
      signal,
      note: (value) => {
        writeNote(output.data, number, value);
        output.written();
      },
      stayOpen: () => {
        staysOpen = true;
      },
      slow: () => output.backlogBytes >= limits.backlogBytesMax,
      caughtUp: () => output.drained(),
    };
    try {
      const value = await callMethod(context, method, parameters);
      if (signal.aborted) return;
      writeReply(this.#writerOf(method), number, value);
    } catch (error) {
      if (signal.aborted) return;
      if (isColloquyError(error, "CLOSED")) throw error;
      staysOpen = false;
      writeErrorReply(this.#writerOf(method), number, errorInfo(error));
    } finally {
      if (!staysOpen) this.#open.delete(number);
    }
    output.written();
  }
}
