/** What stands in for a channel of Node's `diagnostics_channel` where there is none: a page. */
export class LocalChannel {
  readonly name: string;
  readonly #listeners = new Set<(fact: unknown) => void>();

  constructor(name: string) {
    this.name = name;
  }

  get hasSubscribers(): boolean {
    return this.#listeners.size > 0;
  }

  /** Calls every listener; what one throws is reported by the platform and keeps no other from hearing. */
  publish(fact: unknown): void {
    for (const listener of this.#listeners) {
      try {
        listener(fact);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  subscribe(listener: (fact: unknown) => void): void {
    this.#listeners.add(listener);
  }

  unsubscribe(listener: (fact: unknown) => void): void {
    this.#listeners.delete(listener);
  }
}
