/**
 * Publishing to processes that subscribe. Each tells its count now and then; the publisher is never
 * more than a window ahead of the slowest, so that nobody has a reason to lose anything, and a count
 * that stays behind means that something was lost.
 */
import type { Sample } from "./subject.ts";

/** Messages between two reports of a subscriber. */
export const reportEvery = 256;
const window = 16 * reportEvery;

/** `reportEvery` more have come. */
export interface Report {
  readonly subscriber: number;
}

export class FanOut {
  readonly #publish: () => void;
  /** Messages each subscriber has received, less than were published before it came. */
  readonly #counts: number[] = [];
  readonly #silenceMsMax: number;
  #published = 0;
  #reported: (() => void) | undefined;

  /** @param silenceMsMax - how long nobody may report while messages are under way. */
  constructor(publish: () => void, silenceMsMax: number = 10_000) {
    this.#publish = publish;
    this.#silenceMsMax = silenceMsMax;
  }

  get subscribers(): number {
    return this.#counts.length;
  }

  /** A further subscriber is there. Only between measurements. */
  add(): void {
    this.#counts.push(this.#published);
  }

  /** @throws Error where subscribers count less than was published, and do not go on. */
  async measure(durationMs: number): Promise<Sample> {
    const startMs = performance.now();
    const begin = this.#published;
    // Once at least, however slow the machine is just then.
    do {
      while (this.#published - this.#slowest() < window) {
        for (let index = 0; index < reportEvery; index++) this.#publish();
        this.#published += reportEvery;
      }
      await this.#nextReport();
    } while (performance.now() - startMs < durationMs);
    while (this.#slowest() < this.#published) await this.#nextReport();
    const elapsedMs = performance.now() - startMs;
    const deliveries = (this.#published - begin) * this.subscribers;
    return { value: (deliveries / elapsedMs) * 1_000 };
  }

  report({ subscriber }: Report): void {
    this.#counts[subscriber] = (this.#counts[subscriber] ?? 0) + reportEvery;
    this.#reported?.();
  }

  #slowest(): number {
    return Math.min(...this.#counts);
  }

  async #nextReport(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`received ${this.#counts} of ${this.#published}`)),
        this.#silenceMsMax,
      );
      this.#reported = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
