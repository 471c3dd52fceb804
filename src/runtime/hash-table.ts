/**
 * A table for things that come and go by the million. The built-in Map and Set keep the tables they
 * have outgrown linked to their successors: once one of those is old to the garbage collector, all that
 * was ever in the younger ones is kept alive until the next full collection, and copied until then. Here
 * the same arrays are used again and again.
 *
 *   keys     . a . . b c . .       an entry lies where its key hashes to, or behind it up to the
 *   values   . A . . B C . .       next free slot (linear probing); at least half of the slots are free
 *   hashes   . 1 . . 4 4 . .
 *
 * Entries are visited in no particular order.
 *
 * @see D. Knuth, "The Art of Computer Programming", volume 3, 6.4: algorithm L, and R for deletion.
 */
export class HashTable<Key extends string | number, Value> {
  /** Those of `noSlots`, which every table shares, until something is in it: there may be very many. */
  #keys: (Key | undefined)[] = noSlots;
  #values: (Value | undefined)[] = noSlots;
  #hashes: Int32Array = noHashes;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: Key): Value | undefined {
    return this.#values[this.#slotOf(key, hashOf(key))];
  }

  has(key: Key): boolean {
    return this.#keys[this.#slotOf(key, hashOf(key))] !== undefined;
  }

  set(key: Key, value: Value): void {
    if (this.#keys === noSlots) this.#empty(slotsMin);
    const hash = hashOf(key);
    const slot = this.#slotOf(key, hash);
    if (this.#keys[slot] !== undefined) this.#values[slot] = value;
    else {
      this.#put(slot, key, value, hash);
      if (2 * ++this.#size > this.#keys.length) this.#resize(2 * this.#keys.length);
    }
  }

  /** @returns the value that was there. */
  delete(key: Key): Value | undefined {
    const slot = this.#slotOf(key, hashOf(key));
    if (this.#keys[slot] === undefined) return undefined;
    const value = this.#values[slot];
    this.#size--;
    this.#close(slot);
    if (this.#keys.length > slotsKept && 16 * this.#size < this.#keys.length) {
      this.#resize(this.#keys.length / 4);
    }
    return value;
  }

  /** The values of the moment. */
  values(): Value[] {
    return this.#values.filter((_, slot) => this.#keys[slot] !== undefined) as Value[];
  }

  clear(): void {
    this.#keys = noSlots;
    this.#values = noSlots;
    this.#hashes = noHashes;
    this.#size = 0;
  }

  /** The slot of the key, or the free one where it would go. */
  #slotOf(key: Key, hash: number): number {
    const keys = this.#keys;
    const mask = keys.length - 1;
    let slot = hash & mask;
    for (let there = keys[slot]; there !== undefined && there !== key; there = keys[slot]) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Frees a slot and moves up what was only behind it because it was taken. */
  #close(freed: number): void {
    const keys = this.#keys;
    const values = this.#values;
    const hashes = this.#hashes;
    const mask = keys.length - 1;
    let free = freed;
    let slot = (freed + 1) & mask;
    for (let key = keys[slot]; key !== undefined; key = keys[slot]) {
      const hash = hashes[slot] as number;
      // Not beyond the slot it hashes to.
      if (((slot - hash) & mask) >= ((slot - free) & mask)) {
        this.#put(free, key, values[slot] as Value, hash);
        free = slot;
      }
      slot = (slot + 1) & mask;
    }
    keys[free] = undefined;
    values[free] = undefined;
  }

  #put(slot: number, key: Key, value: Value, hash: number): void {
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#hashes[slot] = hash;
  }

  #empty(slots: number): void {
    this.#keys = emptySlots(slots);
    this.#values = emptySlots(slots);
    this.#hashes = new Int32Array(slots);
  }

  #resize(slots: number): void {
    const keys = this.#keys;
    const values = this.#values;
    const hashes = this.#hashes;
    this.#empty(slots);
    for (let slot = 0; slot < keys.length; slot++) {
      const key = keys[slot];
      if (key === undefined) continue;
      const hash = hashes[slot] as number;
      this.#put(this.#slotOf(key, hash), key, values[slot] as Value, hash);
    }
  }
}

/** Powers of two. */
const slotsMin = 16;

/** A table does not become smaller than this: it would grow again. */
const slotsKept = 1_024;

/** Of tables with nothing in them; never written to. */
const noSlots: undefined[] = emptySlots<undefined>(slotsMin);
const noHashes: Int32Array = new Int32Array(slotsMin);

function emptySlots<Item>(count: number): (Item | undefined)[] {
  return new Array<Item | undefined>(count).fill(undefined);
}

/** FNV-1a of a text, four characters at a time; Fibonacci hashing of a number. */
function hashOf(key: string | number): number {
  if (typeof key === "number") {
    const mixed = Math.imul((key ^ (key / 2 ** 32)) | 0, 0x9e3779b1);
    return mixed ^ (mixed >>> 15);
  }
  const { length } = key;
  let hash = 0x811c9dc5;
  let index = 0;
  for (; index + 3 < length; index += 4) {
    const pair = key.charCodeAt(index) ^ (key.charCodeAt(index + 1) << 8);
    const nextPair = key.charCodeAt(index + 2) ^ (key.charCodeAt(index + 3) << 8);
    hash = Math.imul(hash ^ pair ^ (nextPair << 16), 0x01000193);
    hash ^= hash >>> 15;
  }
  for (; index < length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return hash ^ (hash >>> 15);
}
