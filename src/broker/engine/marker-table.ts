/**
 * A map from 128-bit keys to positions in flat arrays: 24 bytes for each place, and no object.
 *
 * @see D. Knuth, The Art of Computer Programming, volume 3, 6.4: linear probing (algorithm L) and
 *   deletion without tombstones (algorithm R).
 */
const placesMin = 1_024;

/** Four words. */
export type MarkerKey = Uint32Array;

export class MarkerTable {
  #keys = new Uint32Array(4 * placesMin);
  /** 0 where the place is empty: positions count from 1. */
  #positions = new Float64Array(placesMin);
  #mask = placesMin - 1;
  #size = 0;
  readonly #seed: number;

  /** @param seed - drawn at random, so that nobody can choose ids that all fall into one place. */
  constructor(seed: number) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns 0 when the key is not there. */
  get(key: MarkerKey): number {
    return this.#positions[this.#placeOf(key)] as number;
  }

  /** The key must not be there. */
  add(key: MarkerKey, position: number): void {
    // At most two thirds full, so that a search ends soon.
    if (3 * (this.#size + 1) > 2 * (this.#mask + 1)) this.#grow();
    const place = this.#placeOf(key);
    this.#keys.set(key, 4 * place);
    this.#positions[place] = position;
    this.#size++;
  }

  delete(key: MarkerKey): void {
    let hole = this.#placeOf(key);
    if (this.#positions[hole] === 0) return;
    this.#size--;
    const keys = this.#keys;
    const mask = this.#mask;
    for (let place = (hole + 1) & mask; this.#positions[place] !== 0; place = (place + 1) & mask) {
      const home = this.#homeOf(keys, 4 * place);
      // Still found when it moves into the hole: its home is not cyclically behind the hole.
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      keys.copyWithin(4 * hole, 4 * place, 4 * place + 4);
      this.#positions[hole] = this.#positions[place] as number;
      hole = place;
    }
    this.#positions[hole] = 0;
  }

  /** Where the key is, or the empty place where it belongs. */
  #placeOf(key: MarkerKey): number {
    const keys = this.#keys;
    const mask = this.#mask;
    let place = this.#homeOf(key, 0);
    while (this.#positions[place] !== 0) {
      const at = 4 * place;
      if (
        keys[at + 3] === key[3] &&
        keys[at + 2] === key[2] &&
        keys[at + 1] === key[1] &&
        keys[at] === key[0]
      ) {
        return place;
      }
      place = (place + 1) & mask;
    }
    return place;
  }

  /** @see A. Appleby, MurmurHash3, 2011: its 32-bit finalizer, after each word. */
  #homeOf(words: Uint32Array, at: number): number {
    let hash = this.#seed;
    for (let index = at; index < at + 4; index++) {
      hash ^= words[index] as number;
      hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
      hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
      hash ^= hash >>> 16;
    }
    return hash & this.#mask;
  }

  #grow(): void {
    const keys = this.#keys;
    const positions = this.#positions;
    const places = 2 * positions.length;
    this.#keys = new Uint32Array(4 * places);
    this.#positions = new Float64Array(places);
    this.#mask = places - 1;
    for (let place = 0; place < positions.length; place++) {
      const position = positions[place] as number;
      if (position === 0) continue;
      const key = keys.subarray(4 * place, 4 * place + 4);
      const to = this.#placeOf(key);
      this.#keys.set(key, 4 * to);
      this.#positions[to] = position;
    }
  }
}
