/**
 * A broker: where messages travel and rest. Four ports, and data that says which of them it has and
 * how durable each is. Brokers are naive: they carry frames they never decode, and everything above
 * these ports is written once and runs in the agent's process.
 *
 * What every port method owes its caller:
 * - It rejects with a `ColloquyError`, and with CLOSED after `close()`.
 * - An aborted `signal` rejects with CANCELLED; whatever was already on its way may still happen. What
 *   goes on until it is aborted (receiving, following a log) ends instead.
 * - Bytes handed in must not be changed afterwards; bytes handed out are read-only and may be kept.
 */
import type { ColloquyError, ErrorInfo } from "../errors.ts";

export interface Broker {
  /** For people: "memory", "embedded .colloquy", "nats://host:4222". */
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly topics: Topics;
  readonly queues: Queues;
  /** Absent where the broker has no keyed state of its own. */
  readonly store: Store | undefined;
  readonly log: Log | undefined;
  /** The present status first, then each change. Ends after `closed`. */
  statuses(signal: AbortSignal): AsyncIterable<BrokerStatus>;
  /** Releases what this process holds; messages it was handed and did not settle go back. Safe to repeat. */
  close(): Promise<void>;
}

export type BrokerStatus =
  | { readonly kind: "ready" }
  /** Calls wait for the next `ready`. Volatile state this process put there must be put again. */
  | {
      readonly kind: "lost";
      /** Why it was lost; then why the last attempt failed. */
      readonly cause: unknown;
      /** Which attempt to connect again comes next, 1 for the first; told anew before each. */
      readonly attempt?: number;
      /** Milliseconds until then. */
      readonly delayMs?: number;
    }
  | { readonly kind: "closed"; readonly cause?: unknown };

/** What a broker can do, as data. What is absent is refused with UNSUPPORTED, never imitated badly. */
export interface Capabilities {
  readonly durability: DurabilityClaim;
  /** "atomic": effects commit with the settlement. "outbox": written before it, under derived ids. */
  readonly effects: "atomic" | "outbox";
  readonly store: boolean;
  readonly log: boolean;
  /** Lanes served 8:4:2:1; otherwise one lane. */
  readonly priorities: boolean;
  /** `notBeforeMs` and retry delays. */
  readonly delay: boolean;
  /** Messages of one `key` are settled one after the other. */
  readonly keyOrder: boolean;
  readonly exactlyOnce: boolean;
  /** Longest frame in bytes. */
  readonly frameBytesMax: number;
}

/** Sets of survived faults, not a ladder: see docs/promises.md. */
export type Durability = "none" | "process" | "os" | "replicated" | "replicated+fsync";

export interface DurabilityClaim {
  readonly level: Durability;
  /** False where a setting could not be read; `level` is then what is certain without it. */
  readonly verified: boolean;
  /** The settings the level was derived from, for people. */
  readonly evidence: Readonly<Record<string, string | number | boolean>>;
}

/** Live fan-out, at most once. */
export interface Topics {
  /**
   * Hands each message to every subscription whose pattern matches, in order per publisher, except
   * those of this same broker object. Returns at once; a lost connection loses the message.
   */
  publish(publications: readonly Publication[]): void;
  /** False only when the broker is sure that nobody but this same broker object is subscribed: spares the encoding. */
  reaches?(topic: string): boolean;
  /** False while as much waits for the link of this process as may: what is published then is lost. */
  hasRoom?(): boolean;
  /**
   * Looks out for the first subscription that `topic` will reach: calls `found` once, and for a
   * moment the subscription waits for that to resolve before it is in force. It must not reject.
   *
   * @returns ends the look-out; undefined, and nothing is looked out for, where `reaches` is true.
   */
  onReached?(topic: string, found: () => Promise<void>): (() => void) | undefined;
  /**
   * Resolves when the subscription is in force. It survives reconnects; what is published in between is lost.
   *
   * @param pattern - tokens joined by dots; `*` is any one token, a last `>` one or more.
   * @param receive - must return quickly and not throw.
   */
  subscribe(
    pattern: string,
    receive: ReceivePublication,
    signal: AbortSignal,
    events?: SubscriptionEvents,
  ): Promise<void>;
  /** Like `subscribe`, with the very objects that were published: for a hub, which knows its own again. */
  overhear?(pattern: string, receive: TakePublication, signal: AbortSignal): Promise<void>;
}

/** What a subscription is told beside publications. Must return quickly and not throw. */
export interface SubscriptionEvents {
  /** So many more were lost, because this process was too slow to read them. */
  readonly onDropped?: (count: number) => void;
  /** It has ended by itself: when the broker came back, it was refused. */
  readonly onEnded?: (error: ColloquyError) => void;
}

/** @returns false when there was no room for it: it is lost to this subscription. */
export type TakePublication = (publication: Publication) => boolean;

export interface Publication {
  readonly topic: string;
  readonly frame: Uint8Array;
  /** Small and urgent (cancel, credit, heartbeat): passes data that waits. */
  readonly control?: boolean;
  /**
   * Called when the broker finds that nobody got it. Never called where it cannot tell.
   *
   * @param noRoom - somebody was subscribed, and too slow: as much waited for them as may.
   */
  onUnheard?(noRoom: boolean): void;
}

/** @param control - as it was published. */
export type ReceivePublication = (topic: string, frame: Uint8Array, control?: boolean) => void;

/** Durable work, leased. A queue takes messages only while it is declared as a mailbox. */
export interface Queues {
  /** Makes mailboxes durably, each with a queue of the same name; those that exist are left as they are. */
  declare(queues: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Removes mailboxes with everything that waits in them. */
  remove(queues: readonly string[], signal?: AbortSignal): Promise<void>;
  mailboxes(signal?: AbortSignal): Promise<readonly MailboxInfo[]>;
  /**
   * Resolves once each message is as safe as the broker's durability says, with one outcome each, in
   * order. A lost connection is not an outcome: messages are repeated and deduplicated after it.
   */
  enqueue(
    queue: string,
    messages: readonly QueuedMessage[],
    signal?: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]>;
  /**
   * Yields batches until `signal` aborts, then ends without throwing, and what was yielded and not
   * settled comes back to others with a higher attempt. At most `credit` deliveries are unsettled at
   * a time; a settlement makes room for the next. A delivery is leased as long as this process lives
   * and is connected; after a reconnect it is still held, unless another attempt was started.
   */
  receive(
    queue: string,
    options: ReceiveOptions,
    signal: AbortSignal,
  ): AsyncIterable<readonly Delivery[]>;
  /** One outcome each, in order. Safe to repeat. Effects commit together with the settlement where `effects` is "atomic". */
  settle(settlements: readonly Settlement[]): Promise<readonly SettleOutcome[]>;
  /** What becomes of deliveries before they are settled. One outcome each, in order. Safe to repeat. */
  report(reports: readonly Report[]): Promise<readonly ReportOutcome[]>;
  /**
   * Ends a message that is not final, in one transaction, whoever holds it: its holder is told, and
   * keeps its credit and its place in the order of `key` until it settles, which has no effect any
   * more. With `ifUnstarted`, only while no handler has started it; a holder is asked. Safe to repeat.
   */
  cancel(queue: string, position: number, options?: CancelOptions): Promise<CancelOutcome>;
  /**
   * Answers a question of a message's handler, durably. Safe to repeat.
   *
   * @throws INDETERMINATE where the question was closed when it could be sent again after a lost connection.
   */
  answer(
    queue: string,
    position: number,
    answer: Answer,
    signal?: AbortSignal,
  ): Promise<AnswerOutcome>;
  /** The state of one message; with `wait`, only once it is final. */
  track(queue: string, position: number, options?: TrackOptions): Promise<MessageState>;
  /** Looks without touching, in order of position: leases and attempts stay as they are. */
  browse(
    queue: string,
    range: BrowseRange,
    signal: AbortSignal,
  ): AsyncIterable<readonly StoredMessage[]>;
  /**
   * Dead letters of every queue, oldest first, without touching them. When some have come, that is
   * published on the topic of dead-letter-topic.ts.
   */
  deadLetters(range: BrowseRange, signal: AbortSignal): AsyncIterable<readonly DeadLetter[]>;
  /** Puts dead letters back into the queues they came from, as new messages; unknown ones are skipped. @returns how many. */
  replay(deadLetters: readonly number[], signal?: AbortSignal): Promise<number>;
  /** Deletes dead letters. @returns how many. */
  purge(deadLetters: readonly number[], signal?: AbortSignal): Promise<number>;
}

/** 0 critical, 1 high, 2 normal, 3 low: the lanes of a queue. */
export type Lane = 0 | 1 | 2 | 3;

export type Guarantee = "at-most-once" | "at-least-once" | "exactly-once";

export interface QueuedMessage {
  /** The whole message, encoded; opaque to brokers. */
  readonly frame: Uint8Array;
  readonly lane: Lane;
  readonly guarantee: Guarantee;
  /** With exactly-once: a second message of this id within the horizon is a duplicate. */
  readonly id: string;
  /** Messages with one key in one lane are settled one after the other, in order of position. */
  readonly key?: string;
  /** Wall clock, milliseconds; not offered before. Until then it does not hold up its `key`; then it takes its place by position, behind what is being offered. */
  readonly notBeforeMs?: number;
  /** Wall clock, milliseconds; expires instead of being offered after. */
  readonly expiresAtMs?: number;
  /** Which repetition of what send this is: a broker stores each (incarnation, sequence) once. */
  readonly origin?: Origin;
}

export interface Origin {
  /** One life of one sender. */
  readonly incarnation: string;
  /** Counts up by one with every message of the incarnation. */
  readonly sequence: number;
  /** Every lower sequence is acknowledged and will not be repeated. */
  readonly repeatsFrom: number;
}

export type EnqueueOutcome =
  /** `duplicate`: it was stored before, at this position, and was not stored again. */
  | { readonly kind: "stored"; readonly position: number; readonly duplicate: boolean }
  /** Not stored, and never will be delivered. */
  | { readonly kind: "rejected"; readonly error: ErrorInfo }
  /** Nobody knows. Repeating under the same origin, or the same id with exactly-once, is safe. */
  | { readonly kind: "indeterminate"; readonly error: ErrorInfo };

export interface ReceiveOptions {
  /** Deliveries this receiver will hold unsettled at a time, 1 or more. */
  readonly credit: number;
  /** Who receives, for people. */
  readonly consumer: string;
  /** Deliveries still being handled since before a reconnect, to be held on to. */
  readonly claims?: readonly Claim[];
  /**
   * Told about deliveries in its hands, past data that waits: also before the delivery itself has
   * come, and more than once. Must return quickly and not throw. Without it nobody asks this receiver.
   */
  readonly onNotice?: (notice: Notice) => void;
}

export type Notice =
  /** The message is final, or somebody else's: what the handler does has no effect. It is settled once the handler has ended. */
  | { readonly kind: "cancel"; readonly claim: Claim; readonly reason: ErrorInfo }
  /** To be settled as "rescinded" if no handler has started, and else reported as started. */
  | { readonly kind: "withdraw"; readonly claim: Claim }
  /** Somebody follows the message: its start and its progress are to be reported from now on, its present state at once. */
  | { readonly kind: "follow"; readonly claim: Claim }
  | { readonly kind: "input"; readonly claim: Claim; readonly answer: Answer };

/** An answer to the question that a handler asked as its `number`th, counted from 1. */
export interface Answer {
  readonly number: number;
  readonly data: Uint8Array;
}

/** Names one attempt at one message. A higher fence of the same message makes it stale. */
export interface Claim {
  readonly queue: string;
  /** Counts up within the queue; never used twice. */
  readonly position: number;
  /** Counts up within the broker, also across restarts. */
  readonly fence: number;
}

export interface Delivery extends Claim {
  readonly frame: Uint8Array;
  /** Times this message was offered before, for whatever reason. */
  readonly attempts: Attempts;
}

/** Why earlier attempts ended. `attempts.failures + 1` is what retry policies call the attempt. */
export interface Attempts {
  /** Handlers that asked for a retry. */
  readonly failures: number;
  /** Offers that came back before a handler ran; dead at 20. */
  readonly pickups: number;
  /** Receivers that vanished; dead at 3. */
  readonly crashes: number;
}

export interface Settlement extends Claim {
  readonly outcome: Outcome;
  /** Committed with the settlement, in order; none where the outcome is "retry" or "release". */
  readonly effects?: readonly Effect[];
}

export type Outcome =
  /** `result` is kept for the sender; absent means that the handler returned nothing. */
  | { readonly kind: "done"; readonly result?: Uint8Array }
  /** The handler's final answer. */
  | { readonly kind: "failed"; readonly error: ErrorInfo }
  | { readonly kind: "retry"; readonly delayMs: number; readonly error: ErrorInfo }
  /** Never again without a person. */
  | { readonly kind: "dead"; readonly error: ErrorInfo }
  /** Not started, because its time had passed or its sender has withdrawn it. */
  | { readonly kind: "expired" | "rescinded"; readonly error: ErrorInfo }
  /** Given up while its handler ran. */
  | { readonly kind: "cancelled"; readonly error: ErrorInfo }
  /** Not started. */
  | { readonly kind: "release" };

export type Effect =
  | { readonly kind: "enqueue"; readonly queue: string; readonly message: QueuedMessage }
  | { readonly kind: "publish"; readonly topic: string; readonly frame: Uint8Array }
  | ({ readonly kind: "put" } & StoreWrite)
  | {
      readonly kind: "append";
      readonly stream: string;
      readonly entries: readonly Uint8Array[];
      readonly at?: number;
    };

export type SettleOutcome =
  | { readonly kind: "settled" }
  /** A later attempt holds the message, or it was final before; nothing of this settlement was kept. */
  | { readonly kind: "stale" }
  /** An effect could not be (a put's revision, an append's position, an undeclared queue); nothing was kept and the lease stands. */
  | { readonly kind: "refused"; readonly error: ErrorInfo }
  | { readonly kind: "indeterminate"; readonly error: ErrorInfo };

export type Report = Claim &
  /** Volatile, and told only where somebody follows the message. */
  (
    | { readonly kind: "unstarted" | "started" }
    | { readonly kind: "progress"; readonly data: Uint8Array }
    /** Durable: the handler waits for the answer to its `number`th question, which a notice brings. The delivery takes up no credit meanwhile. */
    | { readonly kind: "waiting-input"; readonly number: number; readonly question: Uint8Array }
  );

export type ReportOutcome =
  | { readonly kind: "taken" }
  /** A later attempt holds the message, or it is final. */
  | { readonly kind: "stale" }
  | { readonly kind: "refused" | "indeterminate"; readonly error: ErrorInfo };

export interface CancelOptions {
  readonly ifUnstarted?: boolean;
  /** What the sender and the handler are told. Default: CANCELLED or RESCINDED. */
  readonly reason?: ErrorInfo;
  readonly signal?: AbortSignal | undefined;
}

/** "too-late": final otherwise, or started with `ifUnstarted`. "unknown": never there. */
export type CancelOutcome = "cancelled" | "rescinded" | "too-late" | "unknown";

/** "too-late": final, or answered otherwise. "unknown": no such message, or it asked no such question. */
export type AnswerOutcome = "accepted" | "too-late" | "unknown";

/** See life-cycle.ts. */
export type MessageState =
  | {
      readonly state: "queued" | "offered" | "started";
      readonly attempts: Attempts;
      /** The last that its handler reported. */
      readonly progress?: Uint8Array;
    }
  /** Also while nobody holds it, until the question is answered. */
  | {
      readonly state: "waiting-input";
      readonly attempts: Attempts;
      readonly number: number;
      readonly question: Uint8Array;
    }
  | { readonly state: "done"; readonly result?: Uint8Array }
  | {
      readonly state: "failed" | "dead" | "expired" | "cancelled" | "rescinded";
      readonly error: ErrorInfo;
    }
  /** Final longer ago than outcomes are kept, or never there. */
  | { readonly state: "unknown" };

export interface TrackOptions {
  readonly wait?: boolean;
  /**
   * With `wait`: told the state now and every change until it is final, in order; after a reconnect, the state
   * of then. What has passed by the time that word of the wish has reached the message's holder is left out.
   */
  readonly onChange?: (state: MessageState) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface BrowseRange {
  /** Positions above this one; 0 for all. */
  readonly after?: number;
  readonly limit?: number;
}

export interface StoredMessage {
  readonly position: number;
  readonly lane: Lane;
  readonly state: "queued" | "scheduled" | "offered";
  readonly frame: Uint8Array;
  readonly attempts: Attempts;
  readonly notBeforeMs?: number;
}

export interface DeadLetter {
  /** Names it to `replay` and `purge`. */
  readonly number: number;
  readonly queue: string;
  readonly position: number;
  readonly frame: Uint8Array;
  readonly error: ErrorInfo;
  readonly attempts: Attempts;
  readonly firstFailureMs: number;
  readonly lastFailureMs: number;
  /** How its attempts failed, the latest 20, oldest first. */
  readonly history: readonly Failure[];
}

export interface Failure {
  readonly error: ErrorInfo;
  /** 1 for the first start. */
  readonly attempt: number;
  /** Wall clock, milliseconds. */
  readonly atMs: number;
  /** Who had received it, for people. */
  readonly consumer: string;
}

export interface MailboxInfo {
  readonly queue: string;
  /** Messages not final yet, scheduled and offered ones included, and what settled work has sent. */
  readonly waiting: number;
  readonly offered: number;
  readonly receivers: number;
}

/** Keyed state with revisions and expiry. Keys sort by their UTF-8 bytes. */
export interface Store {
  get(keys: readonly string[], signal?: AbortSignal): Promise<readonly (StoreEntry | undefined)[]>;
  /** All writes or none: resolves with CONFLICT for those whose `ifRevision` no longer holds, and then none was made. */
  put(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<StorePutOutcome>;
  /** In order of key. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<readonly StoreEntry[]>;
  /** Calls `change` with what is there now, then with every change, in order of revision per key. Survives reconnects by starting over with what is there; `onEnded` where it is refused then. */
  watch(
    prefix: string,
    change: (changes: readonly StoreChange[]) => void,
    signal: AbortSignal,
    onEnded?: (error: ColloquyError) => void,
  ): Promise<void>;
}

export interface StoreEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Counts up within the broker with every write. */
  readonly revision: number;
}

/** What a watcher sees: an entry, its end, or `reset`: forget what was seen, what is there now follows. */
export type StoreChange =
  | ({ readonly kind: "put" } & StoreEntry)
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "reset" };

export interface StoreWrite {
  readonly key: string;
  /** Absent deletes the entry. */
  readonly value?: Uint8Array;
  /** Only if the entry has this revision; 0: only if there is none. */
  readonly ifRevision?: number;
  /** Milliseconds until the entry deletes itself. */
  readonly ttlMs?: number;
  /**
   * Kept in memory only: gone when the broker restarts. For presence and other soft state. To put the
   * value that is there already renews `ttlMs`; watchers need not be told of it.
   */
  readonly volatile?: boolean;
  /**
   * A volatile entry that deletes itself, before `ttlMs` is over, when the broker learns that the
   * process that wrote it last is gone. Where the broker cannot learn that, `ttlMs` has to do.
   */
  readonly bound?: boolean;
}

export type StorePutOutcome =
  | { readonly kind: "stored"; readonly revisions: readonly number[] }
  | { readonly kind: "conflict"; readonly key: string; readonly revision: number }
  | { readonly kind: "rejected" | "indeterminate"; readonly error: ErrorInfo };

/** Ordered history. */
export interface Log {
  /**
   * Appends at the end of `stream`, which comes into being with its first entry; all entries or none.
   *
   * @param at - the position the first entry must get; a stream's first position is 1.
   */
  append(
    stream: string,
    entries: readonly Uint8Array[],
    at?: number,
    signal?: AbortSignal,
  ): Promise<AppendOutcome>;
  /** Entries from position `from` on, in order; with `follow`, waits for more instead of ending. */
  read(
    stream: string,
    from: number,
    options: LogReadOptions,
    signal: AbortSignal,
  ): AsyncIterable<readonly LogEntry[]>;
}

export interface LogReadOptions {
  readonly follow?: boolean;
}

export interface LogEntry {
  readonly position: number;
  readonly data: Uint8Array;
}

export type AppendOutcome =
  | { readonly kind: "appended"; readonly position: number }
  /** `next` is the position the next entry will get. */
  | { readonly kind: "conflict"; readonly next: number }
  | { readonly kind: "rejected" | "indeterminate"; readonly error: ErrorInfo };
