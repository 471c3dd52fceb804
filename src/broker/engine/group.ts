/**
 * Group commit. Operations that arrive are collected; once the input that was already waiting has
 * been read, all of them are decided, written in one commit, and only then told to anybody.
 *
 *   stage ──▶ decide, in order ──▶ seal ──▶ storage.commit ──▶ committed ──▶ told ──▶ dispatch
 *                                              │ STORE_FAILED    reverted ──▶ refused, all of them
 *                                              │ anything else   indeterminate, and the engine ends
 *
 * Everything from decide to told happens in one synchronous run, so that nobody can see a state that
 * is decided and not committed.
 */
import { ColloquyError, isColloquyError } from "../../errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { Storage, Write } from "./storage.ts";

/** What somebody asked for. */
export interface Operation {
  /** Messages, entries or settlements in it, 1 or more: what counts towards the size of a group. */
  readonly messages: number;
  readonly bytes: number;
  /** It gets a group of its own. */
  readonly alone?: boolean;
  /** Changes the state and joins the parts it changed to the group. Throws before it changes anything. */
  decide(group: Group): void;
  committed(): void;
  /** Nothing of it was kept; with INDETERMINATE, nobody knows. */
  failed(error: ColloquyError): void;
}

/** A part of the engine's state with changes that one group carries. */
export interface Participant {
  /** Adds the writes that make the changes durable. */
  seal(writes: Write[]): void;
  committed(): void;
  /** Takes the changes back; positions and numbers that were given out may be skipped for ever. */
  reverted(): void;
}

export class Group {
  /** The wall clock, read once. */
  readonly nowMs: number;
  readonly #participants: Participant[] = [];
  readonly #told: (() => void)[] = [];

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  /** Each participant joins a group once. */
  join(participant: Participant): void {
    this.#participants.push(participant);
  }

  /** Runs `tell` when everything is committed and the operations have their outcomes. */
  afterwards(tell: () => void): void {
    this.#told.push(tell);
  }

  seal(): Write[] {
    const writes: Write[] = [];
    for (const participant of this.#participants) participant.seal(writes);
    return writes;
  }

  committed(): void {
    for (const participant of this.#participants) participant.committed();
  }

  reverted(): void {
    for (let index = this.#participants.length - 1; index >= 0; index--) {
      (this.#participants[index] as Participant).reverted();
    }
  }

  tell(): void {
    for (const tell of this.#told) tell();
  }
}

export interface GroupCommitOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Runs after every group, committed or not. */
  readonly dispatch: () => void;
  /** The storage is lost: nothing can be committed any more. */
  readonly lost: (error: ColloquyError) => void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #staged = new RingBuffer<Operation>();
  #closing = false;
  #ended: ColloquyError | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** True while operations wait for their group. */
  get busy(): boolean {
    return this.#staged.size > 0;
  }

  stage(operation: Operation): void {
    if (this.#ended !== undefined) {
      operation.failed(this.#ended);
      return;
    }
    this.#staged.push(operation);
    this.#closeSoon();
  }

  /** Commits all that is staged, in as many groups as it takes. */
  flush(): void {
    while (this.#staged.size > 0) this.#commitOne();
  }

  /** From now on every operation fails with `error`, those that wait included. */
  end(error: ColloquyError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (let next = this.#staged.shift(); next !== undefined; next = this.#staged.shift()) {
      next.failed(error);
    }
  }

  #closeSoon(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#options.clock.defer(() => {
      this.#closing = false;
      if (this.#staged.size === 0) return;
      this.#commitOne();
      if (this.#staged.size > 0) this.#closeSoon();
    });
  }

  #commitOne(): void {
    const { storage, dispatch, lost } = this.#options;
    const operations = this.#take();
    const group = this.#decide(operations);
    const error = tryCommit(storage, group);
    if (error === undefined) {
      group.committed();
      for (const operation of operations) operation.committed();
    } else {
      group.reverted();
      for (const operation of operations) operation.failed(error);
      if (error.code !== "STORE_FAILED") {
        lost(error);
        return;
      }
    }
    try {
      if (error === undefined) group.tell();
    } finally {
      // Also when somebody who was told throws, which is for the process to notice.
      dispatch();
    }
  }

  #take(): Operation[] {
    const { messagesMax, bytesMax } = this.#options;
    const operations: Operation[] = [];
    let messages = 0;
    let bytes = 0;
    for (let next = this.#staged.peek(); next !== undefined; next = this.#staged.peek()) {
      messages += next.messages;
      bytes += next.bytes;
      const fits = messages <= messagesMax && bytes <= bytesMax && next.alone !== true;
      if (operations.length > 0 && !fits) break;
      this.#staged.shift();
      operations.push(next);
      if (next.alone === true) break;
    }
    return operations;
  }

  /** An operation that throws (a damaged row, say) is left out, and the others are decided anew. */
  #decide(operations: Operation[]): Group {
    for (;;) {
      const group = new Group(this.#options.clock.nowMs());
      let index = 0;
      try {
        for (; index < operations.length; index++) (operations[index] as Operation).decide(group);
        return group;
      } catch (thrown) {
        group.reverted();
        const [operation] = operations.splice(index, 1);
        operation?.failed(storeFailure(thrown));
      }
    }
  }
}

function tryCommit(storage: Storage, group: Group): ColloquyError | undefined {
  try {
    const writes = group.seal();
    if (writes.length > 0) storage.commit(writes);
    return undefined;
  } catch (thrown) {
    if (isColloquyError(thrown, "STORE_FAILED") || isColloquyError(thrown, "INDETERMINATE")) {
      return thrown;
    }
    return new ColloquyError("INDETERMINATE", "the commit ended in an unknown state", {
      cause: thrown,
    });
  }
}

/** What a part of the engine threw, as an error that says whose it is. */
export function storeFailure(thrown: unknown): ColloquyError {
  if (isColloquyError(thrown)) return thrown;
  return new ColloquyError("INTERNAL_ERROR", "the engine failed", { cause: thrown });
}
