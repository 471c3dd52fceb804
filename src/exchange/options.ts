import type { Durability, Guarantee } from "../broker/broker.ts";
import { durabilities } from "../broker/durability.ts";
import type { Switch } from "../delivery/policy.ts";
import { type RetryPolicy, retryChecks } from "../delivery/retry.ts";
import { invalidOption } from "../errors.ts";
import { assertSingleAddress, type SingleAddress } from "../message/address.ts";
import {
  abortSignal,
  aboveZero,
  aFunction,
  type Check,
  type Checks,
  checkOptions,
  flag,
  oneOf,
  switchOf,
  wholeNumber,
} from "../message/checks.ts";
import type { Priority } from "../message/envelope.ts";
import { priorities } from "../message/envelope-fields.ts";
import { envelopeField } from "../message/validate-envelope.ts";
import { type Strategy, strategies } from "../routing/strategies.ts";
import type { CausalityOptions } from "./causality/mandate.ts";
import type { OnInput } from "./requests/input-desk.ts";

export { invalidOption };

interface MessageOptions {
  /** Default: "normal". */
  readonly priority?: Priority;
  readonly headers?: Readonly<Record<string, string>>;
  readonly conversationId?: string;
  readonly workflowId?: string;
  /** Cancels. */
  readonly signal?: AbortSignal;
}

export interface RequestOptions extends MessageOptions, CausalityOptions, InputOptions {
  /**
   * Longest silence, milliseconds, reset by progress and chunks; that of a reader, who has a whole
   * window of chunks before it, does not count. Default: 30,000.
   */
  readonly timeoutMs?: number;
  /** Hard limit, milliseconds from now, reset by nothing and passed on. Default: none. */
  readonly deadlineMs?: number;
  /**
   * What becomes of the work when this wait times out. "cancel": it is cancelled. "leave": it goes on,
   * also when this process ends, and `attach` finds it by the error's `details.id`. Default: "cancel".
   */
  readonly onTimeout?: "cancel" | "leave";
  /** Told what the handler reports on its way. */
  readonly onProgress?: (data: unknown) => void;
  /**
   * Store the request as a command and answer with its outcome: it survives what the broker survives.
   * Only `deadlineMs` limits the wait then, the handler needs a mailbox, and neither `onProgress` nor
   * `onInput` is called. Default: false.
   */
  readonly durable?: boolean;
  /** How to choose among several. Default: "least-busy". */
  readonly strategy?: Strategy;
  /**
   * Repeat it where its error is `retryable`, so that a repeat cannot do the work twice. `true` takes
   * the defaults. Each attempt has its own `timeoutMs`; all have one `deadlineMs`. Default: false.
   */
  readonly retry?: Switch<RetryPolicy>;
  /**
   * Doing it twice does no harm: `retry` and `fallback` go on also where it may have been done, after a
   * timeout or when its handler is gone. Default: false.
   */
  readonly idempotent?: boolean;
  /**
   * Where it goes next, in turn, when the address before cannot have done the work: nobody there,
   * not started, refused. Default: nowhere.
   */
  readonly fallback?: readonly SingleAddress[];
}

/** What whoever waits for an answer may be asked by the handler on its way. */
export interface InputOptions {
  /**
   * Answers what the handler asks through its context; what it throws is thrown there. Silence does
   * not count meanwhile. Default: the handler's question fails with UNSUPPORTED.
   */
  readonly onInput?: OnInput;
}

export interface StreamOptions extends CallOptions {
  /** Chunks the handler may be ahead of the reader, 1 or more. Default: 100. */
  readonly window?: number;
}

/** Those of one attempt, of which there is a handle. */
export type CallOptions = Omit<RequestOptions, "durable" | "retry" | "idempotent" | "fallback">;

export interface AttachOptions extends InputOptions {
  /** Longest silence, milliseconds. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Told what the handler reports on its way. */
  readonly onProgress?: (data: unknown) => void;
  /** Of a stream: chunks after this one, by their numbers, which begin with 1. Default: 0. */
  readonly after?: number;
  /** Of a stream: chunks the handler may be ahead of the reader, 1 or more. Default: 100. */
  readonly window?: number;
  /** Ends this wait; the work goes on. */
  readonly signal?: AbortSignal;
}

export interface SendOptions extends MessageOptions, CausalityOptions {
  /** Default: "at-least-once". */
  readonly guarantee?: Guarantee;
  /** What the message must survive; refused where the broker cannot promise it. Default: what the broker has. */
  readonly durability?: Durability;
  /** Not offered before. A number is milliseconds since 1970. */
  readonly deliverAt?: Date | number;
  /** Milliseconds from now after which it expires instead of being started. */
  readonly ttlMs?: number;
  /** Milliseconds from now after which it is not started, and cancelled where its handler runs. */
  readonly deadlineMs?: number;
  /** Messages of one sender, key and priority are handled in order, one at a time. */
  readonly key?: string;
  /** Where it goes next, in turn, when the mailbox before has refused it. Default: nowhere. */
  readonly fallback?: readonly SingleAddress[];
  /** With exactly-once: a second send of this id within the horizon is a duplicate. Default: a new id. */
  readonly id?: string;
}

export interface PublishOptions extends Omit<MessageOptions, "signal"> {}

export const timeoutMsDefault = 30_000;
export const startWaitMs = 5_000;
/** How long the handler's process may take to say what is known, once a wait has timed out. */
export const verdictWaitMs = 1_000;
/** The same, once the deadline has passed. */
export const lateVerdictWaitMs = 250;
export const windowDefault = 100;

const fallbackPaths: Check = (field, paths) => {
  if (!Array.isArray(paths)) throw invalidOption(field, paths, "an array of addresses");
  for (const path of paths) assertSingleAddress(path, field);
};

const publishChecks: Checks<PublishOptions> = {
  priority: oneOf(...priorities),
  headers: envelopeField("headers"),
  conversationId: envelopeField("conversationId"),
  workflowId: envelopeField("workflowId"),
};

const messageChecks: Checks<MessageOptions & CausalityOptions> = {
  ...publishChecks,
  signal: abortSignal,
  hops: wholeNumber(0),
  budget: wholeNumber(0),
  reentrant: flag,
};

const callChecks: Checks<CallOptions> = {
  ...messageChecks,
  timeoutMs: aboveZero,
  deadlineMs: aboveZero,
  onTimeout: oneOf("cancel", "leave"),
  onProgress: aFunction,
  onInput: aFunction,
  strategy: oneOf(...strategies),
};

const requestChecks: Checks<RequestOptions> = {
  ...callChecks,
  durable: flag,
  retry: switchOf(retryChecks),
  idempotent: flag,
  fallback: fallbackPaths,
};

const streamChecks: Checks<StreamOptions> = { ...callChecks, window: wholeNumber(1) };

const attachChecks: Checks<AttachOptions> = {
  timeoutMs: aboveZero,
  onProgress: aFunction,
  onInput: aFunction,
  after: wholeNumber(0),
  window: wholeNumber(1),
  signal: abortSignal,
};

const sendChecks: Checks<SendOptions> = {
  ...messageChecks,
  guarantee: oneOf("at-most-once", "at-least-once", "exactly-once"),
  durability: oneOf(...durabilities),
  deliverAt: (field, value) => {
    const atMs = value instanceof Date ? value.getTime() : value;
    if (!Number.isFinite(atMs)) throw invalidOption(field, value, "a valid date, or milliseconds");
  },
  ttlMs: aboveZero,
  deadlineMs: aboveZero,
  key: envelopeField("key"),
  fallback: fallbackPaths,
  id: envelopeField("id"),
};

/** @throws INVALID_OPTION, INVALID_ADDRESS in `fallback`. */
export function checkRequest(options: RequestOptions): void {
  checkOptions(options, requestChecks);
}

/** @throws INVALID_OPTION. */
export function checkCall(options: CallOptions): void {
  checkOptions(options, callChecks);
}

/** @throws INVALID_OPTION. */
export function checkStream(options: StreamOptions): void {
  checkOptions(options, streamChecks);
}

/** @throws INVALID_OPTION for what nobody would be told while a command carries the request. */
export function checkDurable({ onProgress, onInput }: RequestOptions): void {
  const instead = "for durable requests: send a command, and follow its receipt";
  if (onProgress !== undefined) throw invalidOption("onProgress", onProgress, instead);
  if (onInput !== undefined) throw invalidOption("onInput", onInput, instead);
}

/** @throws INVALID_OPTION. */
export function checkAttach(options: AttachOptions): void {
  checkOptions(options, attachChecks);
}

/** @throws INVALID_OPTION, INVALID_ADDRESS in `fallback`. */
export function checkSend(options: SendOptions): void {
  checkOptions(options, sendChecks);
}

/** @throws INVALID_OPTION. */
export function checkPublish(options: PublishOptions): void {
  checkOptions(options, publishChecks);
}
