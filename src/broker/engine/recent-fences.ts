/**
 * The attempts settled last, so that a settlement that is repeated is told apart from a stale one.
 * Fences count up by one, so a fence modulo the number of places is a place of its own.
 */
import type { Group, Participant } from "./group.ts";

const places = 2 ** 16;

export class RecentFences implements Participant {
  readonly #fences = new Float64Array(places);
  readonly #added: number[] = [];

  has(fence: number): boolean {
    return this.#fences[fence % places] === fence;
  }

  add(group: Group, fence: number): void {
    if (this.#added.length === 0) group.join(this);
    this.#added.push(fence);
    this.#fences[fence % places] = fence;
  }

  seal(): void {}

  committed(): void {
    this.#added.length = 0;
  }

  reverted(): void {
    for (const fence of this.#added) this.#fences[fence % places] = 0;
    this.#added.length = 0;
  }
}
