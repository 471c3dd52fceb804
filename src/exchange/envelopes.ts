/** Envelopes of what this process sends, and what they inherit from the work they are sent for. */
import type { Address } from "../message/address.ts";
import type { Envelope, MessageKind, Priority, Sender } from "../message/envelope.ts";
import type { Mandate } from "./causality/mandate.ts";
import { pathTo } from "./causality/path.ts";
import type { Site } from "./site.ts";
import type { Work } from "./work.ts";

/** The part of every option bag that goes into the envelope. */
export interface EnvelopeOptions {
  readonly priority?: Priority;
  readonly headers?: Readonly<Record<string, string>>;
  readonly conversationId?: string;
  readonly workflowId?: string;
  readonly timeoutMs?: number;
  readonly deadlineMs?: number;
  readonly ttlMs?: number;
  readonly key?: string;
  readonly id?: string;
}

export interface EnvelopeInput {
  readonly kind: MessageKind;
  readonly name: string;
  readonly from: Sender;
  readonly to: readonly Address[];
  readonly options: EnvelopeOptions;
  readonly cause: Work | undefined;
  readonly mandate?: Mandate | undefined;
  readonly deadlineAtMs?: number;
  readonly replyTo?: string;
}

/** An envelope that gets its optional fields one by one. */
export type Draft = { -readonly [Field in keyof Envelope]: Envelope[Field] };

export const protocolVersion = "1.0.0";

export function envelopeOf(site: Site, input: EnvelopeInput): Envelope {
  const { options, cause, mandate, deadlineAtMs = Number.POSITIVE_INFINITY } = input;
  const draft: Draft = {
    id: options.id ?? site.newId(),
    version: protocolVersion,
    kind: input.kind,
    name: input.name,
    from: input.from,
    to: input.to,
    // What expires counts from here.
    createdMs: options.ttlMs === undefined ? site.turn.nowMs() : site.clock.nowMs(),
    priority: options.priority ?? "normal",
  };
  if (input.replyTo !== undefined) draft.replyTo = input.replyTo;
  if (options.timeoutMs !== undefined) draft.timeoutMs = Math.ceil(options.timeoutMs);
  if (deadlineAtMs !== Number.POSITIVE_INFINITY) draft.deadlineMs = deadlineAtMs;
  if (options.ttlMs !== undefined) draft.ttlMs = Math.ceil(options.ttlMs);
  if (options.key !== undefined) draft.key = options.key;
  if (options.headers !== undefined) draft.headers = options.headers;
  if (options.conversationId !== undefined) draft.conversationId = options.conversationId;
  if (options.workflowId !== undefined) draft.workflowId = options.workflowId;
  if (mandate !== undefined) limitTo(draft, mandate);
  if (cause !== undefined) inherit(draft, cause.message);
  return draft;
}

function limitTo(draft: Draft, { hops, budget, sender }: Mandate): void {
  draft.hops = hops;
  if (budget !== undefined) draft.budget = budget.granted;
  if (sender !== undefined) draft.path = pathTo(sender);
}

/** What is sent for a message belongs to its conversation, and says on whose behalf it was sent. */
function inherit(draft: Draft, cause: Envelope): void {
  draft.causationId = cause.id;
  draft.conversationId ??= cause.conversationId ?? cause.id;
  if (cause.workflowId !== undefined) draft.workflowId ??= cause.workflowId;
  if (cause.trace !== undefined) draft.trace = cause.trace;
}
