/** Randomness, as everything in Colloquy sees it: handed in, so that a seed replays a run. */

export interface Random {
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform in [0, 1). */
  float(): number;
}

const poolWords = 1024;

/** From the operating system's generator, drawn a pool at a time. */
class SystemRandom implements Random {
  readonly #pool = new Uint32Array(poolWords);
  #next = poolWords;

  uint32(): number {
    if (this.#next === poolWords) {
      crypto.getRandomValues(this.#pool);
      this.#next = 0;
    }
    return this.#pool[this.#next++] as number;
  }

  float(): number {
    return this.uint32() / 2 ** 32;
  }
}

/** Replays from its seed. @see B. Jenkins' small fast generator with 32-bit words (sfc32), 2010. */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c = 0;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    for (let round = 0; round < 12; round++) this.uint32();
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  float(): number {
    return this.uint32() / 2 ** 32;
  }
}

export const systemRandom: Random = new SystemRandom();
