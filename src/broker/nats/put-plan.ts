/** What a put comes to, given what there is of its keys. Pure. */
import type { StorePutOutcome, StoreWrite } from "../broker.ts";
import {
  deleteHeaders,
  type EntryKind,
  type EntryRecord,
  liveEntry,
  putHeaders,
} from "./entries.ts";
import { jsHeaders, type StreamMessage } from "./jetstream.ts";
import type { Names } from "./names.ts";

export interface PlannedMessage extends StreamMessage {
  /** Which write it is; undefined where it makes way for one in the other stream. */
  readonly write?: number;
}

export interface PutPlan {
  readonly kind: "plan";
  /** How many there were. */
  readonly writes: number;
  /** One after the other, each as a whole. */
  readonly steps: readonly {
    readonly stream: EntryKind;
    readonly messages: readonly PlannedMessage[];
  }[];
}

export type PutConflict = Extract<StorePutOutcome, { readonly kind: "conflict" }>;

/** What is known of a key while the writes of a put are looked at one after the other. */
interface Present {
  readonly records: Readonly<Record<EntryKind, EntryRecord | undefined>>;
  /** Its live entry: where it is, and its revision; 0 stands for none. */
  kind: EntryKind | undefined;
  revision: number;
  /** The put itself has written it; its revision is not known yet. */
  written: boolean;
}

const nothing = new Uint8Array();

/**
 * @param records - of every key of the writes.
 * @param nowMs - by the server's clock.
 */
export function planPut(
  names: Names,
  writes: readonly StoreWrite[],
  records: ReadonlyMap<string, Present["records"]>,
  nowMs: number,
): PutPlan | PutConflict {
  const presents = new Map<string, Present>();
  const messages: Record<EntryKind, PlannedMessage[]> = { state: [], volatile: [] };
  for (const [index, write] of writes.entries()) {
    const { key, value, ifRevision } = write;
    const present = presents.get(key) ?? presentOf(records.get(key), nowMs);
    presents.set(key, present);
    if (ifRevision !== undefined && !holds(present, ifRevision)) {
      return { kind: "conflict", key, revision: present.revision };
    }
    const kind = kindOf(write, present);
    const other = kind === "state" ? "volatile" : "state";
    const expecting = ifRevision !== undefined && !present.written;
    const expected = (of: EntryKind) =>
      expecting ? { [jsHeaders.expectedLast]: `${present.records[of]?.revision ?? 0}` } : {};
    messages[kind].push({
      write: index,
      subject: names.entry(kind, key),
      payload: value ?? nothing,
      headers: {
        ...(value === undefined ? deleteHeaders(key) : putHeaders(key, write.ttlMs)),
        ...expected(kind),
      },
    });
    if (present.kind === other) {
      const headers = { ...deleteHeaders(key), ...expected(other) };
      messages[other].push({ subject: names.entry(other, key), payload: nothing, headers });
    }
    present.kind = value === undefined ? undefined : kind;
    present.revision = 0;
    present.written = true;
  }
  return { kind: "plan", writes: writes.length, steps: inOrder(messages) };
}

function presentOf(records: Present["records"] | undefined, nowMs: number): Present {
  const { state, volatile } = records ?? { state: undefined, volatile: undefined };
  const found = liveEntry(volatile, nowMs) === undefined ? state : volatile;
  const entry = liveEntry(found, nowMs);
  return {
    records: { state, volatile },
    kind: entry === undefined ? undefined : found?.kind,
    revision: entry?.revision ?? 0,
    written: false,
  };
}

/** What the put has written itself has no revision yet that anybody could ask for. */
function holds({ kind, revision, written }: Present, ifRevision: number): boolean {
  if (written) return ifRevision === 0 && kind === undefined;
  return ifRevision === revision;
}

/** What is deleted is deleted where it is. */
function kindOf({ value, volatile = false }: StoreWrite, present: Present): EntryKind {
  if (value === undefined && present.kind !== undefined) return present.kind;
  return volatile ? "volatile" : "state";
}

/** New entries before they take the place of others: who reads in between finds one of them. */
function inOrder(messages: Record<EntryKind, PlannedMessage[]>): PutPlan["steps"] {
  const { state, volatile } = messages;
  const steps = [
    { stream: "state" as const, messages: state },
    { stream: "volatile" as const, messages: volatile },
  ].filter((step) => step.messages.length > 0);
  const onlyMakesWay = steps[0]?.messages.every(({ write }) => write === undefined) === true;
  return onlyMakesWay ? steps.toReversed() : steps;
}
