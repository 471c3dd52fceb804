/** Questions of a handler to an asker of the same process: made with the first. */
import { errorInfo } from "../../errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { InputDesk, type OnInput } from "./input-desk.ts";
import { type AskOptions, type Given, Questions } from "./questions.ts";

export interface LocalInputOptions {
  readonly clock: Clock;
  readonly name: string;
  readonly onInput: OnInput | undefined;
  /** Checks, or copies, what passes from one side to the other. @throws SERIALIZATION_ERROR. */
  readonly handOver: (value: unknown) => unknown;
  /** Where the asker has left: puts the question to whoever has attached instead. @returns false where it has not. */
  readonly poseElsewhere: (number: number, question: unknown) => boolean;
  readonly onWaiting: (waiting: boolean) => void;
}

export class LocalInput {
  readonly #options: LocalInputOptions;
  readonly #questions: Questions;
  readonly #desk: InputDesk;

  constructor(options: LocalInputOptions) {
    const { clock, name, onInput, onWaiting } = options;
    this.#options = options;
    const pose = (number: number, question: unknown) => this.#pose(number, question);
    this.#questions = new Questions({ clock, name, pose, onWaiting });
    this.#desk = new InputDesk(
      onInput,
      (number, given) => this.#reply(number, given),
      () => {},
    );
  }

  get questions(): Questions {
    return this.#questions;
  }

  async ask(question: unknown, options: AskOptions): Promise<unknown> {
    return this.#questions.ask(this.#options.handOver(question), options);
  }

  #pose(number: number, question: unknown): void {
    if (!this.#options.poseElsewhere(number, question)) void this.#desk.take(number, question);
  }

  #reply(number: number, given: Given): void {
    try {
      const { kind } = given;
      const checked = kind === "answer" ? this.#options.handOver(given.answer) : undefined;
      this.#questions.answer(number, kind === "answer" ? { kind, answer: checked } : given);
    } catch (error) {
      this.#questions.answer(number, { kind: "failed", error: errorInfo(error) });
    }
  }
}
