/**
 * Order by key. The first message of a key in its lane is the one that may be offered; those behind it are
 * parked in the client that they came to, and looked at again when it has made way.
 */
import { type Item, nameOf } from "./item.ts";

const parkedMax = 10_000;
const parkedBytesMax = 32 * 2 ** 20;

/** Whether an item is the first of its key on the server, and nobody else holds one of it. */
export type IsFirst = (item: Item) => Promise<boolean>;

interface Key {
  /** The one that is offered, or is being looked at. */
  leader: Item | undefined;
  /** In order of position. */
  readonly parked: Item[];
  /** Something has happened since the leader was looked at. */
  changed: boolean;
}

/** Keys that are looked at in one go, when nobody has said that anything has changed. */
const polledMax = 64;

export class Keys {
  readonly #keys = new Map<string, Key>();
  readonly #isFirst: IsFirst;
  readonly #admit: (item: Item) => void;
  readonly #unfit: (item: Item) => void;
  #parked = 0;
  #parkedBytes = 0;

  /**
   * @param admit - the item may be offered; from then on it leads its key until it leaves.
   * @param unfit - the item was found not to be the first, and is parked.
   */
  constructor(isFirst: IsFirst, admit: (item: Item) => void, unfit: (item: Item) => void) {
    this.#isFirst = isFirst;
    this.#admit = admit;
    this.#unfit = unfit;
  }

  get parked(): number {
    return this.#parked;
  }

  /** No more should be parked. */
  get isFull(): boolean {
    return this.parked >= parkedMax || this.#parkedBytes >= parkedBytesMax;
  }

  /** Admits the item, now or once it is the first of its key. */
  enter(item: Item): void {
    const name = nameOf(item);
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { leader: undefined, parked: [], changed: false };
      this.#keys.set(name, key);
    }
    this.#park(key, item);
    if (key.leader === undefined) void this.#look(name, key);
  }

  /** The item leads its key already: it was held before this client knew of it. */
  lead(item: Item): void {
    const name = nameOf(item);
    const key = this.#keys.get(name) ?? { leader: undefined, parked: [], changed: false };
    key.leader ??= item;
    this.#keys.set(name, key);
  }

  /** The item is none of this client's any more, or waits for another attempt. */
  leave(item: Item): void {
    const name = nameOf(item);
    const key = this.#keys.get(name);
    if (key === undefined) return;
    const at = key.parked.indexOf(item);
    if (at !== -1) this.#unpark(key, at);
    if (key.leader === item) key.leader = undefined;
    this.#next(name, key);
  }

  /** Somebody has made way in this lane and key, or may have. */
  moved(name: string): void {
    const key = this.#keys.get(name);
    if (key === undefined) return;
    key.changed = true;
    this.#next(name, key);
  }

  /** Looks at keys that may have moved without anybody having said so. */
  poll(): void {
    let polled = 0;
    for (const [name, key] of this.#keys) {
      if (key.leader !== undefined || key.parked.length === 0) continue;
      void this.#look(name, key);
      // Next time the others first.
      this.#keys.delete(name);
      this.#keys.set(name, key);
      if (++polled === polledMax) return;
    }
  }

  /** Whether a message of the lane and key is here. */
  has(name: string): boolean {
    return this.#keys.has(name);
  }

  holds(name: string): boolean {
    const leader = this.#keys.get(name)?.leader;
    return leader !== undefined && leader.stage !== "parked";
  }

  takeParked(): readonly Item[] {
    const items = [...this.#keys.values()].flatMap(({ parked }) => parked);
    for (const [name, key] of this.#keys) {
      key.parked.length = 0;
      if (key.leader === undefined) this.#keys.delete(name);
    }
    this.#parked = 0;
    this.#parkedBytes = 0;
    return items;
  }

  #next(name: string, key: Key): void {
    if (key.leader !== undefined) return;
    if (key.parked.length === 0) this.#keys.delete(name);
    else void this.#look(name, key);
  }

  async #look(name: string, key: Key): Promise<void> {
    const [item] = key.parked;
    if (item === undefined) return;
    key.leader = item;
    key.changed = false;
    const isFirst = await this.#isFirst(item).catch(() => false);
    if (key.leader !== item) return;
    // One that came meanwhile may be before it.
    const isStill = key.parked[0] === item;
    if (isFirst && isStill) {
      this.#unpark(key, 0);
      this.#admit(item);
      return;
    }
    key.leader = undefined;
    if (!isStill || key.changed) this.#next(name, key);
    else this.#unfit(item);
  }

  #park(key: Key, item: Item): void {
    item.stage = "parked";
    let at = key.parked.length;
    while (at > 0 && (key.parked[at - 1] as Item).position > item.position) at--;
    key.parked.splice(at, 0, item);
    this.#parked++;
    this.#parkedBytes += item.message.frame.length;
  }

  #unpark(key: Key, at: number): void {
    const [item] = key.parked.splice(at, 1);
    this.#parked--;
    this.#parkedBytes -= item?.message.frame.length ?? 0;
  }
}
