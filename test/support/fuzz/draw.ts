/** Choices drawn from one seed. */
import { type Random, SeededRandom } from "../../../src/runtime/random.ts";

export class Draw {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** Whole, from 0 up to, not including, `end`. */
  below(end: number): number {
    return Math.floor(this.#random.float() * end);
  }

  chance(probability: number): boolean {
    return this.#random.float() < probability;
  }

  oneOf<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)] as Value;
  }

  /** Small numbers often, large ones sometimes, up to 2^53 - 1. */
  number(): number {
    const magnitude = this.oneOf([2, 2, 256, 100_000, 2 ** 32, 2 ** 41, Number.MAX_SAFE_INTEGER]);
    return this.below(magnitude);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  text(characters: string, lengthMin: number, lengthMax: number): string {
    const alphabet = [...characters];
    const length = lengthMin + this.below(lengthMax - lengthMin + 1);
    let text = "";
    for (let index = 0; index < length; index++) text += this.oneOf(alphabet);
    return text;
  }
}
