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
import { type ColloquyError, errorInfo, isColloquyError } from "../errors.ts";
import { frameTypes } from "../message/frame.ts";
import type { FrameWriter } from "../message/frame-writer.ts";
import type { BoundEntries } from "./bound-entries.ts";
import { type CallContext, callMethod } from "./call-methods.ts";
import { Cursors } from "./cursors.ts";
import { checkUnused, tooManyOpen } from "./limits.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";

/** Calls of one session that are being answered at a time; their answers are all it can make wait. */
const answeringMax = 64;

/**
 * What a piece of a reading counts as: so few are read in one turn, and none while more waits for the client
 * than may. Pieces have no part in `answeringMax`, because one that follows has nothing to answer for long.
 */
const pieceSteps = 256;

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
      checkUnused("call", this.#open.has(call.number) || this.#cursors.has(call.number));
      const problem = tooManyOpen("calls", this.#open.size, session.limits);
      if (problem !== undefined) return this.#refuse(call.number, problem);
      this.#open.set(call.number, new AbortController());
      this.#look(call, this.#answer(call), frame.end - frame.start);
    });
    session.handleInOrder(frameTypes.HANGUP, (frame) => {
      const number = readNumbered(frame);
      this.#open.get(number)?.abort();
      this.#open.delete(number);
      // What it opened has its number; whoever hangs up before the first piece does not know it.
      this.#cursors.close(number);
    });
  }

  end(): void {
    for (const call of this.#open.values()) call.abort();
    this.#open.clear();
    this.#cursors.closeAll();
  }

  #refuse(number: number, problem: ColloquyError): void {
    const { output } = this.#session;
    writeErrorReply(output.data, number, problem.toJSON());
    output.written();
  }

  #look(call: CallOperation, answered: Promise<void>, bytes: number): void {
    const session = this.#session;
    if (mayWait(call)) {
      session.spend(pieceSteps);
      return session.guard(answered);
    }
    // The holder of a message is asked, who may take long; it may be who says goodbye.
    if (call.method !== urgent) return session.track(answered, bytes);
    session.guard(answered);
    session.occupy(
      answered.catch(() => {}),
      bytes,
    );
  }

  /** In its turn, and not before the client has read most of what it asked for earlier. */
  async #answer(call: CallOperation): Promise<void> {
    const { signal } = this.#open.get(call.number) as AbortController;
    if (mayWait(call) || call.method === urgent) return this.#run(call, signal);
    // Whoever is done hands its place to the first that waits: a call that has just come must not be before it.
    if (this.#answering < answeringMax) this.#answering++;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      const { output, limits } = this.#session;
      if (output.backlogBytes > 0) await output.below(limits.backlogBytesMax);
      if (!signal.aborted) await this.#run(call, signal);
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#answering--;
      else next();
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

/** For long, until there is something to answer: it must not keep others waiting, nor a goodbye. */
function mayWait({ method, parameters }: CallOperation): boolean {
  if (method === "cursor.more") return true;
  return method === "log.read" && (parameters as { follow?: unknown } | null)?.follow === true;
}
