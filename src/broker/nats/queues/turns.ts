/** Whose turn it is among lanes that all have something: 8, 4, 2 and 1 of 15. */
import type { Lane } from "../../broker.ts";
import { lanes } from "./subjects.ts";

const shares = [8, 4, 2, 1] as const;

export class Turns {
  readonly #due = [0, 0, 0, 0];

  /** The lane whose turn it is of those that `has` something; undefined where none has. */
  next(has: (lane: Lane) => boolean): Lane | undefined {
    let chosen: Lane | undefined;
    let sum = 0;
    for (const lane of lanes) {
      if (!has(lane)) continue;
      sum += shares[lane];
      const due = (this.#due[lane] ?? 0) + shares[lane];
      this.#due[lane] = due;
      if (chosen === undefined || due > (this.#due[chosen] ?? 0)) chosen = lane;
    }
    if (chosen !== undefined) this.#due[chosen] = (this.#due[chosen] ?? 0) - sum;
    return chosen;
  }
}
