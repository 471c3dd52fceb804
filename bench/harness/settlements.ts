/** Settlements and those who wait for them, which come on two connections, in any order. */
export class Settlements {
  readonly #waiting = new Map<string, () => void>();
  readonly #early = new Set<string>();

  add(ids: readonly string[]): void {
    for (const id of ids) {
      const resolve = this.#waiting.get(id);
      if (resolve === undefined) this.#early.add(id);
      else resolve();
      this.#waiting.delete(id);
    }
  }

  of(id: string): Promise<void> | undefined {
    if (this.#early.delete(id)) return undefined;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
    });
  }
}
