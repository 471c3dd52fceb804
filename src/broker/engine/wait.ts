/** Waiting for one message to become final; a sender may wait for all it has in flight. */
import { AbortListener, cancelledError } from "../../runtime/abort.ts";
import type { MessageState } from "../broker.ts";
import type { Tell, Tracker } from "./tracker.ts";

export interface WaitOptions {
  readonly tracker: Tracker;
  readonly position: number;
  /** Takes back what else was begun for it. */
  readonly stop: (() => void) | undefined;
}

/**
 * @param closing - rejects with its reason when it aborts.
 * @param signal - rejects with CANCELLED when it aborts. Neither has aborted.
 */
export function waitForEnd(
  options: WaitOptions,
  closing: AbortSignal,
  signal: AbortSignal | undefined,
): Promise<MessageState> {
  return new Promise((resolve, reject) => {
    const wait = new Wait(options, resolve, reject);
    wait.begin(closing, signal);
  });
}

class Wait extends AbortListener {
  readonly #options: WaitOptions;
  readonly #reject: (error: unknown) => void;
  readonly #tell: Tell;
  #closing: Closing | undefined;

  constructor(
    options: WaitOptions,
    resolve: (state: MessageState) => void,
    reject: (error: unknown) => void,
  ) {
    super();
    this.#options = options;
    this.#reject = reject;
    this.#tell = (state) => {
      this.#end();
      resolve(state);
    };
  }

  begin(closing: AbortSignal, signal: AbortSignal | undefined): void {
    const { tracker, position } = this.#options;
    tracker.await(position, this.#tell);
    this.#closing = new Closing(this);
    this.#closing.listen(closing);
    if (signal !== undefined) this.listen(signal);
  }

  aborted(signal: AbortSignal): void {
    this.fail(cancelledError(signal));
  }

  fail(error: unknown): void {
    const { tracker, position } = this.#options;
    tracker.forget(position, this.#tell);
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#closing?.unlisten();
    this.unlisten();
    this.#options.stop?.();
  }
}

/** The connection closes under one who waits. */
class Closing extends AbortListener {
  readonly #wait: Wait;

  constructor(wait: Wait) {
    super();
    this.#wait = wait;
  }

  aborted(signal: AbortSignal): void {
    this.#wait.fail(signal.reason);
  }
}
