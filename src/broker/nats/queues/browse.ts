/** Looks at queues without touching them. */
import { throwIfAborted } from "../../../runtime/abort.ts";
import type { BrowseRange, MailboxInfo, StoredMessage } from "../../broker.ts";
import { readPage, type StoredMessage as StreamedMessage } from "../jetstream.ts";
import { boundedToken } from "../names.ts";
import type { QueueHub } from "./hub.ts";
import { isFinal, type LiveRecord, noAttempts } from "./record.ts";
import { workMessage } from "./work-message.ts";

export async function* browse(
  hub: QueueHub,
  queue: string,
  range: BrowseRange,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredMessage[], void, undefined> {
  const { link, subjects, records } = hub;
  let left = range.limit ?? Number.POSITIVE_INFINITY;
  const filter = subjects.waiting(queue);
  for (let from = (range.after ?? 0) + 1, pending = 1; pending > 0 && left > 0; ) {
    throwIfAborted(signal);
    const page = await readPage(link, "work", filter, from, signal);
    const positions = page.messages.map(({ seq }) => seq);
    const [found, held] = await Promise.all([
      records.read(queue, positions, signal),
      heldPositions(hub, queue, signal),
    ]);
    const nowMs = link.serverNowMs();
    const batch = page.messages.flatMap((message, index) => {
      const record = found[index]?.record;
      if (record !== undefined && isFinal(record)) return [];
      return [shown(hub, message, record, held.has(message.seq), nowMs)];
    });
    from = (positions.at(-1) ?? 0) + 1;
    pending = page.messages.length === 0 ? 0 : page.pending;
    const wanted = batch.slice(0, left);
    left -= wanted.length;
    if (wanted.length > 0) yield wanted;
  }
}

function shown(
  { subjects }: QueueHub,
  { seq, subject, data, header }: StreamedMessage,
  record: LiveRecord | undefined,
  isHeld: boolean,
  nowMs: number,
): StoredMessage {
  const message = workMessage(seq, subject, subjects.place(subject), data, header);
  const notBeforeMs = Math.max(message.notBeforeMs, record?.dueMs ?? 0);
  const isScheduled = notBeforeMs > nowMs;
  return {
    position: seq,
    lane: message.lane,
    state: isHeld ? "offered" : isScheduled ? "scheduled" : "queued",
    frame: data,
    attempts: record?.attempts ?? noAttempts,
    ...(isScheduled ? { notBeforeMs } : {}),
  };
}

async function heldPositions(
  hub: QueueHub,
  queue: string,
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const answers = await hub.askOthers(queue, { op: "holding", queue }, { signal });
  const held = new Set(answers.flatMap(({ positions }) => positions ?? []));
  for (const item of hub.queues.get(queue)?.items ?? []) if (item.isHeld) held.add(item.position);
  return held;
}

interface SubjectCounts {
  readonly state: { readonly subjects?: Readonly<Record<string, number>> };
  readonly total?: number;
  readonly offset?: number;
  readonly limit?: number;
}

/** @param onTheirWay - messages that are sent and not in their queues yet, by queue: they wait, too. */
export async function mailboxes(
  hub: QueueHub,
  onTheirWay: ReadonlyMap<string, number>,
  signal?: AbortSignal,
): Promise<readonly MailboxInfo[]> {
  const [names, waiting, receiving] = await Promise.all([
    hub.mailboxes.names(signal),
    countWaiting(hub, signal),
    hub.registry.all(signal),
  ]);
  return await Promise.all(
    names.map(async (queue): Promise<MailboxInfo> => {
      const token = boundedToken(queue);
      const local = hub.queues.get(queue);
      let receivers = local?.receivers.size ?? 0;
      let offered = local?.offered ?? 0;
      const others = (receiving.get(token) ?? []).filter((client) => client !== hub.clientId);
      const question = { op: "holding", queue } as const;
      const answers = await Promise.all(
        others.map((client) => hub.peers.ask(client, question, 1_500, signal)),
      );
      for (const answer of answers) {
        receivers += answer?.receivers ?? 0;
        offered += answer?.positions?.length ?? 0;
      }
      const sent = onTheirWay.get(queue) ?? 0;
      return { queue, waiting: (waiting.get(token) ?? 0) + sent, offered, receivers };
    }),
  );
}

/** Messages of each queue, by its token. The server tells them by subject, many at a time. */
async function countWaiting(
  hub: QueueHub,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number>> {
  const { link, subjects } = hub;
  const counts = new Map<string, number>();
  for (let offset = 0; ; ) {
    const question = { subjects_filter: subjects.allWaiting, offset };
    const name = `STREAM.INFO.${subjects.workStream}`;
    const { state, total = 0 } = await link.api<SubjectCounts>(name, question, signal);
    const found = Object.entries(state.subjects ?? {});
    for (const [subject, count] of found) {
      const token = subjects.queueToken(subject);
      counts.set(token, (counts.get(token) ?? 0) + count);
    }
    offset += found.length;
    if (found.length === 0 || offset >= total) return counts;
  }
}
