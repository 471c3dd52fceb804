/** When something went on: the gaps between two steps are the time without progress. */
export class Progress {
  readonly #stepsMs: number[] = [performance.now()];

  step(): void {
    this.#stepsMs.push(performance.now());
  }

  get count(): number {
    return this.#stepsMs.length - 1;
  }

  /** The longest time between two steps of which the second was after `fromMs`, milliseconds. */
  longestGapSince(fromMs: number): number {
    let longest = 0;
    for (let index = this.#stepsMs.length - 1; index > 0; index--) {
      const step = this.#stepsMs[index] as number;
      if (step < fromMs) break;
      longest = Math.max(longest, step - (this.#stepsMs[index - 1] as number));
    }
    return longest;
  }
}
