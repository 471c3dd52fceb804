/** Settlements of one session: those of a chunk go to the broker in one call. */
import type { Broker, Settlement } from "../broker/broker.ts";
import { readSettle, writeSettled } from "../broker/hub/operations/settle.ts";
import { type Frame, frameTypes } from "../message/frame.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";

export class SessionSettlements implements SessionPort {
  readonly #session: SessionContext;
  readonly #broker: Broker;
  #numbers: number[] = [];
  #settlements: Settlement[] = [];
  #bytes = 0;

  constructor(session: SessionContext, broker: Broker) {
    this.#session = session;
    this.#broker = broker;
    session.handle(frameTypes.SETTLE, (frame) => this.#collect(frame));
  }

  submit(): void {
    if (this.#numbers.length === 0) return;
    this.#session.track(this.#settle(this.#numbers, this.#settlements), this.#bytes);
    this.#numbers = [];
    this.#settlements = [];
    this.#bytes = 0;
  }

  #collect(frame: Frame): void {
    const { number, settlement } = readSettle(frame);
    this.#numbers.push(number);
    this.#settlements.push(settlement);
    this.#bytes += frame.end - frame.start;
  }

  async #settle(numbers: readonly number[], settlements: readonly Settlement[]): Promise<void> {
    const outcomes = await this.#broker.queues.settle(settlements);
    const { output, probe } = this.#session;
    probe?.("settled");
    if (outcomes.some(({ kind }) => kind === "indeterminate")) {
      // As with messages: the client repeats, and then it is known.
      this.#session.destroy();
      return;
    }
    writeSettled(output.data, numbers, outcomes);
    output.written();
  }
}
