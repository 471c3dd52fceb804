/** The commands that an agent holds, by the fence of its attempt at each, and what it is told about them. */
import type { Notice } from "../broker/broker.ts";
import { HashTable } from "../runtime/hash-table.ts";
import type { CommandWork } from "./command-work.ts";

/** Notices that came before their deliveries. More than credit allows are of deliveries that never come. */
const earlyMax = 10_000;

export class HeldCommands {
  readonly #works = new HashTable<number, CommandWork>();
  /** Made with the first. */
  #early: Map<number, Notice[]> | undefined;

  add(work: CommandWork): void {
    const { fence } = work.claim;
    this.#works.set(fence, work);
    const early = this.#early?.get(fence);
    if (early === undefined) return;
    this.#early?.delete(fence);
    for (const notice of early) work.noticed(notice);
  }

  delete(fence: number): void {
    this.#works.delete(fence);
  }

  get size(): number {
    return this.#works.size;
  }

  all(): readonly CommandWork[] {
    return this.#works.values();
  }

  noticed(notice: Notice): void {
    const { fence } = notice.claim;
    const work = this.#works.get(fence);
    if (work !== undefined) return work.noticed(notice);
    this.#early ??= new Map();
    const early = this.#early.get(fence);
    if (early !== undefined) {
      early.push(notice);
      return;
    }
    this.#early.set(fence, [notice]);
    if (this.#early.size <= earlyMax) return;
    for (const oldest of this.#early.keys()) {
      this.#early.delete(oldest);
      return;
    }
  }
}
