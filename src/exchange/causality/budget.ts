/**
 * The calls that may still be made on behalf of one message.
 *
 *   lend ──▶ a share of its own for what is called ── end ──▶ what is left of the share comes back
 *
 * Invariant: calls made, and what is left here and in every share, are together never more than the
 * first budget of the chain, however many handlers draw from it at a time. A share whose end nobody
 * hears of is lost: too few calls, never too many.
 */
export class Budget {
  /** What it began with. */
  readonly granted: number;
  #left: number;
  #ended = false;
  readonly #lender: Budget | undefined;

  constructor(granted: number, lender?: Budget) {
    this.granted = granted;
    this.#left = granted;
    this.#lender = lender;
  }

  get left(): number {
    return this.#left;
  }

  /**
   * Pays for one call, and sets aside what that call may cause in turn.
   *
   * @param most - of the share; without it half of what is left, so that calls beside and after have some.
   * @returns undefined when nothing is left to pay with.
   */
  lend(most?: number): Budget | undefined {
    if (this.#left < 1) return undefined;
    const rest = this.#left - 1;
    const share = most === undefined ? Math.ceil(rest / 2) : Math.min(most, rest);
    this.#left = rest - share;
    return new Budget(share, this);
  }

  /**
   * Nothing more is paid from it. Safe to repeat.
   *
   * @param unused - what the other end says it has not used; not believed beyond what it was given.
   * @returns what was left.
   */
  end(unused: number = this.#left): number {
    if (this.#ended) return 0;
    this.#ended = true;
    const left = Math.min(unused, this.#left);
    this.#left = 0;
    this.#lender?.take(left);
    return left;
  }

  /** For a share that ends. What comes back after the end is lost. */
  take(returned: number): void {
    if (!this.#ended) this.#left += returned;
  }
}
