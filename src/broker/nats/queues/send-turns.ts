/**
 * Calls that send to one queue and have to find out something before: each begins to send after those that
 * came before it, however long it took any of them to find out.
 */
export class SendTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Somebody is about to send to the queue. */
  isTaken(queue: string): boolean {
    return this.#last.has(queue);
  }

  /**
   * Calls `send` when `prepared` has resolved and the calls that came before have begun to send, or failed.
   *
   * @param send - begins at once.
   */
  async run<Prepared, Result>(
    queue: string,
    prepared: Promise<Prepared>,
    send: (prepared: Prepared) => Promise<Result>,
  ): Promise<Result> {
    const before = this.#last.get(queue);
    const turn = Promise.all([prepared, before]).then(([found]) => ({ sent: send(found) }));
    const ended = Promise.allSettled([before, turn]).then(() => {
      if (this.#last.get(queue) === ended) this.#last.delete(queue);
    });
    this.#last.set(queue, ended);
    return await (await turn).sent;
  }
}
