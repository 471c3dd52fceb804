/** Which message of a key comes first: asked of the server, which has one subject for each key. */
import { isColloquyError } from "../../../errors.ts";
import type { NatsLink } from "../connection.ts";
import { readPage } from "../jetstream.ts";
import type { QueueContext } from "./context.ts";
import { type Item, nameOf } from "./item.ts";
import { messageHeaders } from "./work-message.ts";

export async function isFirstOfKey(context: QueueContext, item: Item): Promise<boolean> {
  const { link, subjects } = context;
  const { lane, keyToken = "", position, isDelayed } = item.message;
  const [first, isBehind] = await Promise.all([
    firstSequence(link, subjects.key(item.queue, lane, keyToken, false)),
    isBehindDelayed(context, item),
  ]);
  if (isBehind) return false;
  if (!isDelayed) return first === position;
  if (first !== undefined && first < position) return false;
  // A later one may be in hand: it was offered when this one's time had not come.
  return !(await context.keyHeldElsewhere(item.queue, nameOf(item)));
}

/** Whether one that was sent for later, whose time has come, was sent before the item. */
async function isBehindDelayed(context: QueueContext, item: Item): Promise<boolean> {
  const { link, subjects } = context;
  const { lane, keyToken = "", position } = item.message;
  const filter = subjects.key(item.queue, lane, keyToken, true);
  const first = await firstSequence(link, filter);
  if (first === undefined || first >= position) return false;
  const nowMs = link.serverNowMs();
  for (let from = first, pending = 1; pending > 0; ) {
    const page = await readPage(link, "work", filter, from);
    for (const { seq, header } of page.messages) {
      if (seq >= position) return false;
      if (Number(header(messageHeaders.notBefore)) <= nowMs) return true;
      from = seq + 1;
    }
    pending = page.messages.length === 0 ? 0 : page.pending;
  }
  return false;
}

/** The sequence of the first message in the stream of work that `filter` matches. */
async function firstSequence(link: NatsLink, filter: string): Promise<number | undefined> {
  const stream = link.names.streams.work;
  const question = { seq: 1, next_by_subj: filter };
  if (link.facts.streams.work.config.num_replicas > 1) {
    try {
      const name = `STREAM.MSG.GET.${stream}`;
      const answer = await link.api<{ message: { seq: number } }>(name, question);
      return answer.message.seq;
    } catch (error) {
      if (isColloquyError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }
  const payload = new TextEncoder().encode(JSON.stringify(question));
  const options = { what: "queues.key", repeatMs: 10_000 };
  const { headers } = await link.request(`$JS.API.DIRECT.GET.${stream}`, payload, options);
  if (headers === undefined || headers.code === 404) return undefined;
  return Number(headers.get("Nats-Sequence"));
}
