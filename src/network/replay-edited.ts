/** A dead letter sent again with another payload. */
import type { QueuedMessage } from "../broker/broker.ts";
import { ColloquyError, errorFromInfo } from "../errors.ts";
import { encodeBody, type Site } from "../exchange/site.ts";
import { laneOf } from "../exchange/work.ts";
import type { Envelope } from "../message/envelope.ts";

/** The part of a dead letter that it takes. */
interface Letter {
  readonly id: number;
  readonly address: string;
  readonly message: Envelope | undefined;
}

/**
 * The new message has an id of its own, because it is not what systems outside may have seen under the
 * old one; it is made of the letter's id, so that a repetition after a crash is recognised.
 */
export async function replayEdited(
  site: Site,
  letter: Letter,
  payload: unknown,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { id: number, address, message } = letter;
  if (message === undefined) {
    throw new ColloquyError("INVALID_MESSAGE", `dead letter ${number} cannot be decoded`, {
      details: { id: number, address },
    });
  }
  const { deadlineMs: _, ttlMs: __, ...kept } = message;
  const id = `${site.space.name}.dead-${number}`;
  const envelope = { ...kept, id, createdMs: site.clock.nowMs(), causationId: message.id };
  const again: QueuedMessage = {
    id,
    frame: encodeBody(site, envelope, payload),
    lane: laneOf[message.priority],
    guarantee: "exactly-once",
    ...(message.key === undefined ? {} : { key: `${message.from.agent}~${message.key}` }),
  };
  const { queues } = site.broker;
  const [outcome] = await queues.enqueue(site.space.queue(address), [again], signal);
  if (outcome === undefined) throw new ColloquyError("INTERNAL_ERROR", "no outcome");
  if (outcome.kind !== "stored") throw errorFromInfo(outcome.error);
  await queues.purge([number], signal);
  if (!outcome.duplicate) return 1;
  throw new ColloquyError("CONFLICT", `dead letter ${number} was sent again before`, {
    details: { id: number, address, messageId: id },
  });
}
