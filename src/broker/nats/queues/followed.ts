/** A message that somebody here waits for: who does, and what they have been told of it. */
import type { ColloquyError } from "../../../errors.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { MessageState } from "../../broker.ts";

/** One who waits for the message's end, and may want every change until then. */
export class Wait {
  readonly ended: Deferred<MessageState> = new Deferred();
  readonly #onChange: ((state: MessageState) => void) | undefined;
  #told: string | undefined;

  constructor(onChange: ((state: MessageState) => void) | undefined) {
    this.#onChange = onChange;
  }

  get wantsChanges(): boolean {
    return this.#onChange !== undefined;
  }

  /** What it knows already it is not told again. */
  tell(state: MessageState): void {
    if (this.#onChange === undefined) return;
    const told = JSON.stringify(state, (_, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
    );
    if (told === this.#told) return;
    this.#told = told;
    this.#onChange(state);
  }
}

export class Followed {
  readonly waits: Set<Wait> = new Set();
  #told = 0;
  #records = 0;

  /** Counts the states that were told: a state that was asked for before the last is older than it. */
  get told(): number {
    return this.#told;
  }

  /** Changes with every state told and every record heard that is not the last: one that was read before is older. */
  get news(): number {
    return this.#told + this.#records;
  }

  get wantsChanges(): boolean {
    for (const { wantsChanges } of this.waits) if (wantsChanges) return true;
    return false;
  }

  recordHeard(): void {
    this.#records++;
  }

  tell(state: MessageState): void {
    this.#told++;
    for (const wait of this.waits) wait.tell(state);
  }

  end(state: MessageState): void {
    for (const { ended } of this.waits) ended.resolve(state);
  }

  fail(error: ColloquyError): void {
    for (const { ended } of this.waits) ended.reject(error);
  }
}
