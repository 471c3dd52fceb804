/** A message in this client's hands, from its arrival until it is settled, given back or somebody else's. */
import type { ErrorInfo } from "../../../errors.ts";
import type { Attempts, Claim, MessageState, Notice, SettleOutcome } from "../../broker.ts";
import { type LiveRecord, noAttempts, openQuestion, type RecordAt } from "./record.ts";
import type { WorkMessage } from "./work-message.ts";

/**
 *   arriving    looked at, nothing decided
 *   parked      waits for another message with its key
 *   ready       this client's attempt, waits for a receiver with room
 *   held        in a receiver's hands
 *   settling    its end is being written
 *   gone        none of this client's business any more
 */
export type Stage = "arriving" | "parked" | "ready" | "held" | "settling" | "gone";

export type Phase = "offered" | "started" | "waiting-input";

/** Who has items in hand: see receiver.ts. */
export interface Holder {
  readonly consumer: string;
  readonly hearsNotices: boolean;
  notify(notice: Notice): void;
  add(item: Item): void;
  drop(item: Item): void;
  enter(item: Item, phase: Phase): void;
}

/** Who wants the message back: told once its holder has decided. */
export type Withdrawal = (decision: "too-late" | "returned" | "over") => void;

/** Fences of one message count up, and those of messages with one key by their position. */
const attemptsPerPosition = 4_096;

export function fenceOf(position: number, attempt: number): number {
  return position * attemptsPerPosition + attempt;
}

/** -1 where the fence belongs to no attempt at this position. */
export function attemptOf(position: number, fence: number): number {
  const attempt = fence - position * attemptsPerPosition;
  return attempt >= 0 ? attempt : -1;
}

export class Item {
  readonly queue: string;
  readonly message: WorkMessage;
  /** Where it is acknowledged. */
  reply: string;
  stage: Stage = "arriving";
  attempt = -1;
  /** The record under which this attempt is, or that was found; undefined: there is none. */
  record: RecordAt | undefined;
  /** What it has been through, until this client's attempt has its own record; undefined: nothing. */
  past: LiveRecord | undefined;
  /** The server that delivered it has ended, and the next one may deliver it to somebody else. */
  isForgotten = false;
  receiver: Holder | undefined;
  phase: Phase = "offered";
  /** Its holder has said how far it is. */
  hasReported = false;
  progress: Uint8Array | undefined;
  /** How often its lease was extended. */
  extensions = 0;
  /** Final by somebody else, while it is held. */
  over: ErrorInfo | undefined;
  readonly withdrawals: Withdrawal[] = [];
  /** What its settlement comes to, while it is being written. */
  settling: Promise<SettleOutcome> | undefined;

  constructor(queue: string, message: WorkMessage, reply: string) {
    this.queue = queue;
    this.message = message;
    this.reply = reply;
  }

  get position(): number {
    return this.message.position;
  }

  get fence(): number {
    return fenceOf(this.position, this.attempt);
  }

  get claim(): Claim {
    return { queue: this.queue, position: this.position, fence: this.fence };
  }

  get live(): LiveRecord | undefined {
    const record = this.record?.record;
    return record?.state === "open" || record?.state === "free" ? record : undefined;
  }

  get attempts(): Attempts {
    return this.live?.attempts ?? noAttempts;
  }

  /** What a record to be written expects. */
  get expected(): number {
    return this.record?.seq ?? 0;
  }

  /** Its end is written. */
  get isOver(): boolean {
    return this.record !== undefined && this.live === undefined;
  }

  get isHeld(): boolean {
    return this.stage === "held" || this.stage === "settling";
  }

  answerWithdrawals(decision: Parameters<Withdrawal>[0]): void {
    for (const tell of this.withdrawals.splice(0)) tell(decision);
  }

  /** Of a held message. */
  get state(): MessageState {
    const { attempts, live, progress } = this;
    if (this.phase === "waiting-input" && live !== undefined) {
      const number = openQuestion(live);
      const question = Buffer.from(live.questions?.[number - 1]?.question ?? "", "base64");
      return { state: "waiting-input", attempts, number, question };
    }
    const state = this.phase === "offered" ? "offered" : "started";
    return progress === undefined ? { state, attempts } : { state, attempts, progress };
  }
}

/** The lane and the key of an item that has one. */
export function nameOf({ message }: Item): string {
  return `${message.lane}.${message.keyToken}`;
}
