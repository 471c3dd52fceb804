/** The bytes of calls that wait for an answer: when there is no room for more, who may wait does, in order. */
import { ColloquyError } from "../../errors.ts";
import { withAbort } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";

interface Turn {
  readonly bytes: number;
  readonly come: Deferred;
  /** It was let in, or has given up. */
  isOver: boolean;
}

export class CallRoom {
  readonly #bytesMax: number;
  readonly #turns = new RingBuffer<Turn>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Takes room, which is to be given back with `leave`.
   *
   * @returns undefined where there is room now; else resolves once there is.
   * @throws CANCELLED; what `close` is given.
   */
  enter(bytes: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (this.#turns.size > 0 || !this.#fits(bytes)) return this.#wait(bytes, signal);
    this.#bytes += bytes;
    return undefined;
  }

  /** As `enter`, for whoever does not wait. @throws QUEUE_FULL. */
  enterNow(bytes: number): void {
    if (!this.#fits(bytes)) {
      const limit = this.#bytesMax;
      throw new ColloquyError("QUEUE_FULL", `callBytesMax ${limit} is reached`, {
        details: { limit: "callBytesMax", value: limit },
      });
    }
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    for (let turn = this.#turns.peek(); turn !== undefined; turn = this.#turns.peek()) {
      if (!turn.isOver && !this.#fits(turn.bytes)) return;
      this.#turns.shift();
      if (turn.isOver) continue;
      turn.isOver = true;
      this.#bytes += turn.bytes;
      turn.come.resolve();
    }
  }

  /** Whoever waits fails with `error`. */
  close(error: ColloquyError): void {
    for (let turn = this.#turns.shift(); turn !== undefined; turn = this.#turns.shift()) {
      turn.isOver = true;
      turn.come.reject(error);
    }
  }

  /** One alone may have more: what is large must not be refused for ever. */
  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
  }

  async #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const turn: Turn = { bytes, come: new Deferred(), isOver: false };
    this.#turns.push(turn);
    let isIn = false;
    turn.come.promise.then(
      () => {
        isIn = true;
      },
      () => {},
    );
    try {
      await withAbort(turn.come.promise, signal);
    } catch (error) {
      turn.isOver = true;
      if (isIn) this.leave(bytes);
      throw error;
    }
  }
}
