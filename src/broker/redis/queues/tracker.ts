/** Those in this process who wait for the end of messages, or follow them. */
import type { Clock } from "../../../runtime/clock.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { MessageState } from "../../broker.ts";
import type { RedisReply } from "../client.ts";
import { decodeState, isFinal } from "./states.ts";

/** What the server knows of a message. */
export interface Tracked {
  readonly state: MessageState;
  /** Its holder need not be asked how far it has come. */
  readonly known: boolean;
  /** Milliseconds until it expires; -1 where it does not. */
  readonly expiresMs: number;
}

/** How long the holder of a message may take to say whether it has started it, until "offered" stands. */
const reportMs = 250;
/** An expiry is asked for again after that, at least. */
const expiryMsMax = 3_600_000;

export interface TrackerOptions {
  readonly clock: Clock;
  /** Asks the server, and makes it tell. */
  readonly ask: () => Promise<Tracked>;
  /** Ends with the first state that is known. */
  readonly once: boolean;
  readonly onChange: ((state: MessageState) => void) | undefined;
}

export class Tracker {
  /** The end, or with `once` what it is now. */
  readonly result: Deferred<MessageState> = new Deferred();
  readonly #options: TrackerOptions;
  /** Told by the server before it has answered. */
  #early: MessageState[] | undefined;
  #ended = false;
  #told = false;
  #asked = 0;
  readonly #timers: { cancel(): void }[] = [];

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.result.promise.catch(() => {});
  }

  /** Also anew: what was told over a lost link is made up for. */
  async ask(): Promise<void> {
    const asked = ++this.#asked;
    this.#early ??= [];
    try {
      const tracked = await this.#options.ask();
      if (asked === this.#asked) this.#answered(tracked);
    } catch (error) {
      if (asked === this.#asked) this.fail(error);
    }
  }

  told(state: MessageState): void {
    if (this.#early !== undefined) this.#early.push(state);
    else this.#tell(state);
  }

  fail(error: unknown): void {
    this.stop();
    this.result.reject(error);
  }

  stop(): void {
    this.#ended = true;
    for (const timer of this.#timers) timer.cancel();
  }

  #answered({ state, known, expiresMs }: Tracked): void {
    if (this.#ended) return;
    if (isFinal(state)) return this.#end(state);
    const early = this.#early ?? [];
    this.#early = undefined;
    if (expiresMs >= 0) {
      this.#after(Math.min(expiresMs, expiryMsMax) + 1, () => void this.ask());
    }
    if (known) this.#tell(state);
    for (const each of early) this.#tell(each);
    if (known || early.length > 0 || this.#ended) return;
    // Its holder was asked; what it says is told as a change.
    this.#after(reportMs, () => {
      if (!this.#told) this.#tell(state);
    });
  }

  #tell(state: MessageState): void {
    if (this.#ended) return;
    this.#told = true;
    if (this.#options.once || isFinal(state)) return this.#end(state);
    this.#options.onChange?.(state);
  }

  #end(state: MessageState): void {
    this.stop();
    this.result.resolve(state);
  }

  #after(delayMs: number, run: () => void): void {
    this.#timers.push(this.#options.clock.setTimer(delayMs, run));
  }
}

/** As scripts/track.ts answers. */
export function decodeTracked(reply: RedisReply): Tracked {
  const [state, known, expires] = reply as readonly Buffer[];
  return {
    state: decodeState(state ?? Buffer.from("U")),
    known: String(known ?? "1") === "1",
    expiresMs: Number(String(expires ?? "-1")),
  };
}
