/** What people do with dead letters. */
import type { ColloquyError } from "../../errors.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { store } from "./intake.ts";

type Tell = (count: number) => void;
type Refuse = (error: ColloquyError) => void;

/** Puts dead letters back as new messages, each with its removal. Those whose queue is gone stay. */
export class Replay implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #numbers: ReadonlySet<number>;
  readonly #tell: Tell;
  readonly #refuse: Refuse;
  #count = 0;

  constructor(core: Core, numbers: readonly number[], tell: Tell, refuse: Refuse) {
    this.#core = core;
    this.#numbers = new Set(numbers);
    this.#tell = tell;
    this.#refuse = refuse;
    this.messages = numbers.length;
  }

  decide(group: Group): void {
    const { deadLetters, directory, changes } = this.#core;
    this.#count = 0;
    for (const number of this.#numbers) {
      const letter = deadLetters.get(number);
      const queue = letter === undefined ? undefined : directory.declared(letter.queue);
      if (letter === undefined || queue === undefined) continue;
      if (!deadLetters.remove(group, number)) continue;
      store(this.#core, group, changes.of(queue, group), letter.message);
      this.#count++;
    }
  }

  committed(): void {
    this.#tell(this.#count);
  }

  failed(error: ColloquyError): void {
    this.#refuse(error);
  }
}

export class Purge implements Operation {
  readonly messages: number;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #numbers: ReadonlySet<number>;
  readonly #tell: Tell;
  readonly #refuse: Refuse;
  #count = 0;

  constructor(core: Core, numbers: readonly number[], tell: Tell, refuse: Refuse) {
    this.#core = core;
    this.#numbers = new Set(numbers);
    this.#tell = tell;
    this.#refuse = refuse;
    this.messages = numbers.length;
  }

  decide(group: Group): void {
    const { deadLetters } = this.#core;
    this.#count = 0;
    for (const number of this.#numbers) {
      if (deadLetters.get(number) !== undefined && deadLetters.remove(group, number)) this.#count++;
    }
  }

  committed(): void {
    this.#tell(this.#count);
  }

  failed(error: ColloquyError): void {
    this.#refuse(error);
  }
}
