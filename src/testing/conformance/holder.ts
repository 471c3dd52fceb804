/** A receiver that hears notices, and answers them as a case says. */
import assert from "node:assert/strict";
import type { Broker, Delivery, MessageState, Notice, Report } from "../../broker/broker.ts";
import type { Receiver } from "./receiver.ts";
import type { Trial } from "./trial.ts";

export class Holder {
  readonly notices: Notice[] = [];
  readonly receiver: Receiver;
  readonly #trial: Trial;

  constructor(trial: Trial, queue: string, broker: Broker = trial.broker, credit = 100) {
    this.#trial = trial;
    this.receiver = trial.receiveWith(broker, queue, {
      credit,
      consumer: "holder",
      onNotice: (notice) => this.notices.push(notice),
    });
  }

  next(): Promise<Delivery> {
    return this.receiver.next();
  }

  /** The first notice of its kind about the delivery. */
  async notice<Kind extends Notice["kind"]>(
    kind: Kind,
    { position, fence }: Delivery,
  ): Promise<Extract<Notice, { readonly kind: Kind }>> {
    const found = await this.#trial.eventually(`a notice: ${kind}`, () =>
      this.notices.find(
        ({ kind: other, claim }) =>
          other === kind && claim.position === position && claim.fence === fence,
      ),
    );
    return found as Extract<Notice, { readonly kind: Kind }>;
  }
}

/** Reports what must be taken. */
export async function report(
  broker: Broker,
  { queue, position, fence }: Delivery,
  what: Pick<Report, "kind"> & Record<string, unknown>,
): Promise<void> {
  const [outcome] = await broker.queues.report([{ queue, position, fence, ...what } as Report]);
  assert.deepEqual(outcome, { kind: "taken" });
}

/** Every state that a follower is told, in order. */
export function follow(
  trial: Trial,
  broker: Broker,
  queue: string,
  position: number,
): { readonly seen: string[]; readonly final: Promise<MessageState> } {
  const seen: string[] = [];
  const onChange = ({ state }: MessageState) => {
    if (seen.at(-1) !== state) seen.push(state);
  };
  const options = { wait: true, onChange, signal: trial.signal };
  const final = broker.queues.track(queue, position, options).then((state) => {
    seen.push(state.state);
    return state;
  });
  final.catch(() => {});
  return { seen, final };
}
