/**
 * Work waiting for a free handler, by priority: under saturation the classes are served 8:4:2:1.
 *
 * What came from a mailbox always finds room: the credit of the mailbox bounds it, and handed back
 * now it would be offered here again at once, until it counts as given up.
 */
import type { Work } from "../exchange/work.ts";
import { RingBuffer } from "../runtime/ring-buffer.ts";

/** In 15 turns each class comes up as often as its share, spread out. */
const turns: readonly number[] = [0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0];

/** Of those that wait: after so many refusals room is looked for. */
const refusedShare = 16;

export class Waiting {
  readonly #max: number;
  /** Made with the first that has to wait. */
  #lanes: readonly RingBuffer<Work>[] | undefined;
  #size = 0;
  #turn = 0;
  /** Since room was looked for. */
  #refused = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns false when there is no room for a request. */
  push(work: Work): boolean {
    if (this.#size >= this.#max && work.kind !== "command" && !this.#makeRoom()) return false;
    this.#lanes ??= Array.from({ length: 4 }, () => new RingBuffer<Work>());
    this.#lanes[work.lane]?.push(work);
    this.#size++;
    return true;
  }

  /** The next by its class's turn; a class without work passes its turn on to the most urgent. */
  shift(): Work | undefined {
    const lanes = this.#lanes;
    if (lanes === undefined || this.#size === 0) return undefined;
    const turn = turns[this.#turn++ % turns.length] as number;
    const work = lanes[turn]?.shift() ?? firstOf(lanes);
    if (work !== undefined) this.#size--;
    return work;
  }

  /**
   * What was given up while it waited keeps its place until it is looked at. Looking costs as much as
   * waits, and so is done once in a while only, by a share of those who find no room.
   */
  #makeRoom(): boolean {
    if (++this.#refused < this.#size / refusedShare) return false;
    this.#refused = 0;
    for (const lane of this.#lanes ?? []) {
      for (let left = lane.size; left > 0; left--) {
        const work = lane.shift() as Work;
        if (work.outcome === "not-started") lane.push(work);
        else this.#size--;
      }
    }
    return this.#size < this.#max;
  }

  takeAll(): readonly Work[] {
    const all = (this.#lanes ?? []).flatMap((lane) => [...lane]);
    this.#lanes = undefined;
    this.#size = 0;
    return all;
  }
}

function firstOf(lanes: readonly RingBuffer<Work>[]): Work | undefined {
  for (const lane of lanes) if (lane.size > 0) return lane.shift();
  return undefined;
}
