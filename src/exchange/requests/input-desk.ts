/** Where the questions of a handler are answered: at the end of whoever waits for its work. */
import { errorInfo } from "../../errors.ts";
import type { Given } from "./questions.ts";

/** Answers a handler's question; what it throws is thrown where the handler asked. */
export type OnInput = (question: unknown) => unknown;

export class InputDesk {
  readonly #onInput: OnInput | undefined;
  readonly #reply: (number: number, given: Given) => void;
  readonly #onWaiting: (waiting: boolean) => void;
  /** By number: the answer, undefined while it is being found. */
  readonly #given = new Map<number, Given | undefined>();
  #finding = 0;

  /** @param reply - sends an answer. @param onWaiting - the first is looked for, or none is any more. */
  constructor(
    onInput: OnInput | undefined,
    reply: (number: number, given: Given) => void,
    onWaiting: (waiting: boolean) => void,
  ) {
    this.#onInput = onInput;
    this.#reply = reply;
    this.#onWaiting = onWaiting;
  }

  /** A question may come more than once: it is answered once, and the answer sent again. */
  async take(number: number, question: unknown): Promise<void> {
    if (this.#given.has(number)) {
      const given = this.#given.get(number);
      if (given !== undefined) this.#reply(number, given);
      return;
    }
    this.#given.set(number, undefined);
    if (++this.#finding === 1) this.#onWaiting(true);
    const given = await this.#find(question);
    this.#given.set(number, given);
    if (--this.#finding === 0) this.#onWaiting(false);
    this.#reply(number, given);
  }

  async #find(question: unknown): Promise<Given> {
    if (this.#onInput === undefined) return { kind: "declined" };
    try {
      return { kind: "answer", answer: await Promise.resolve(this.#onInput(question)) };
    } catch (error) {
      return { kind: "failed", error: errorInfo(error) };
    }
  }
}
