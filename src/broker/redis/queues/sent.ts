/**
 * Messages that this broker object has stored over its present link. Their ends are told it without its
 * asking (scripts/notices.ts), often before it knows that they are stored. So whoever waits for one of
 * them need not ask; of whatever is not known here, the server is asked.
 *
 * What was told counts only as long as nothing can have been missed: within one *era*. It ends with the
 * link, and whenever something is forgotten for want of room.
 */
import type { MessageState } from "../../broker.ts";

/** Messages that are remembered; the oldest are forgotten first. */
const messagesMax = 16_384;
/** Of a result that is remembered until somebody asks for it. */
const resultBytesMax = 1_024;

export class SentMessages {
  /** By name; undefined where the end was not told yet. */
  readonly #ends = new Map<string, MessageState | undefined>();
  #era = 0;

  /** To be read before a message is on its way to the server. */
  get era(): number {
    return this.#era;
  }

  /** The message is on the server, and was not there before. @param era - of before it was sent. */
  stored(name: string, era: number): void {
    if (era === this.#era && !this.#ends.has(name)) this.#remember(name, undefined);
  }

  /** @param heard - somebody here has waited for it. */
  ended(name: string, state: MessageState, heard: boolean): void {
    const known = this.#ends.delete(name);
    if (known && heard) return;
    if ("result" in state && (state.result?.length ?? 0) > resultBytesMax) this.#era++;
    else this.#remember(name, state);
  }

  /** The end of the message, or "told" if whoever waits for it will be told; undefined where nothing is known. */
  stateOf(name: string): MessageState | "told" | undefined {
    return this.#ends.has(name) ? (this.#ends.get(name) ?? "told") : undefined;
  }

  /** What was told from now on may have been missed. */
  endEra(): void {
    this.#era++;
    this.#ends.clear();
  }

  #remember(name: string, end: MessageState | undefined): void {
    this.#ends.set(name, end);
    if (this.#ends.size <= messagesMax) return;
    for (const oldest of this.#ends.keys()) {
      this.#ends.delete(oldest);
      break;
    }
    this.#era++;
  }
}
