/**
 * The record of a message: what has become of it, where that is more than waiting for the first time.
 * It is written under the sequence of the one before it, so of two that decide at once one is refused.
 *
 *   open     an attempt has it. The first attempt needs no record unless something happens to it.
 *   free     nobody has it: an attempt ended, and another is to follow
 *   others   final, as in the life cycle
 *
 * The record of what is done has the result as its payload, every other one JSON.
 */
import type { ErrorInfo } from "../../../errors.ts";
import type { Attempts, Failure, MessageState } from "../../broker.ts";
import { finalStates, type LifeState } from "../../life-cycle.ts";
import type { StoredMessage, StreamMessage } from "../jetstream.ts";
import { jsonObject } from "../json-object.ts";

export type FinalState = Exclude<LifeState, "queued" | "offered" | "started" | "waiting-input">;

export interface Question {
  /** Base 64. */
  readonly question: string;
  readonly answer?: string;
}

export interface LiveRecord {
  readonly state: "open" | "free";
  /** Of the attempt that has it, or of the last that ended; -1: it was in no handler's hands. */
  readonly attempt: number;
  /** The client that wrote it. */
  readonly by: string;
  readonly consumer: string;
  readonly attempts: Attempts;
  readonly firstFailureMs: number;
  readonly lastFailureMs: number;
  readonly history: readonly Failure[];
  /** Not to be offered before; 0: at once. */
  readonly dueMs: number;
  /** Its last attempt did not start it. */
  readonly unstarted?: boolean;
  readonly questions?: readonly Question[];
}

export interface FinalRecord {
  readonly state: FinalState;
  readonly attempt: number;
  readonly by: string;
  readonly result?: Uint8Array;
  readonly error?: ErrorInfo;
}

export type MessageRecord = LiveRecord | FinalRecord;

export interface RecordAt {
  readonly record: MessageRecord;
  /** Of the record in its stream; the next one has to expect it. */
  readonly seq: number;
  /** Which writing it was. */
  readonly write: string;
}

export const noAttempts: Attempts = Object.freeze({ failures: 0, pickups: 0, crashes: 0 });

/** Of a message that has no record. */
export const firstLife: LiveRecord = {
  state: "free",
  attempt: -1,
  by: "",
  consumer: "",
  attempts: noAttempts,
  firstFailureMs: 0,
  lastFailureMs: 0,
  history: [],
  dueMs: 0,
};

const stateHeader = "Colloquy-State";
const attemptHeader = "Colloquy-Attempt";
const byHeader = "Colloquy-Client";
const writeHeader = "Colloquy-Record";
const resultHeader = "Colloquy-Result";

const encoder = new TextEncoder();
const nothing = new Uint8Array();

export function isFinal(record: MessageRecord): record is FinalRecord {
  return finalStates.has(record.state as LifeState);
}

/** @param write - different for every writing. */
export function encodeRecord(
  subject: string,
  record: MessageRecord,
  write: string,
): StreamMessage & { readonly headers: Record<string, string> } {
  const headers: Record<string, string> = {
    [stateHeader]: record.state,
    [attemptHeader]: `${record.attempt}`,
    [byHeader]: record.by,
    [writeHeader]: write,
  };
  if (isFinal(record) && record.state === "done") {
    if (record.result !== undefined) headers[resultHeader] = `${record.result.length}`;
    return { subject, headers, payload: record.result ?? nothing };
  }
  const { state: _, attempt: __, by: ___, ...fields } = record;
  return { subject, headers, payload: encoder.encode(JSON.stringify(fields)) };
}

/** What is no record, because somebody else has written there, says nothing: the next one replaces it. */
export function decodeRecord({ seq, data, header }: StoredMessage): RecordAt {
  const common = {
    state: header(stateHeader),
    attempt: Number(header(attemptHeader)),
    by: header(byHeader),
  };
  const write = header(writeHeader);
  if (common.state === "done") {
    const result = header(resultHeader) === "" ? {} : { result: data };
    return { seq, write, record: { ...common, ...result } as FinalRecord };
  }
  const record = { ...common, ...jsonObject(data) } as MessageRecord;
  return { seq, write, record: isRecord(record) ? record : firstLife };
}

function isRecord(record: MessageRecord): boolean {
  if (!Number.isSafeInteger(record.attempt)) return false;
  if (isFinal(record)) return typeof record.error?.message === "string";
  const { state, attempts, history, dueMs, firstFailureMs, lastFailureMs, questions = [] } = record;
  const { failures, pickups, crashes } = Object(attempts) as Partial<Attempts>;
  const numbers = [failures, pickups, crashes, dueMs, firstFailureMs, lastFailureMs];
  const isLive = state === "open" || state === "free";
  return isLive && numbers.every(Number.isFinite) && [history, questions].every(Array.isArray);
}

export function finalStateOf({ state, result, error }: FinalRecord): MessageState {
  if (state === "done") return result === undefined ? { state } : { state, result };
  return { state, error: error as ErrorInfo };
}

/** The first question without an answer; 0: none. */
export function openQuestion({ questions = [] }: LiveRecord): number {
  return questions.findIndex(({ answer }) => answer === undefined) + 1;
}
