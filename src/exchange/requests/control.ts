/**
 * What the two ends of one exchange tell each other beside the request and its answer. Each is a
 * message of kind "control" whose correlationId is the request's id. Controls pass data that waits, so
 * that one may come before the request it is about.
 *
 *   accepted   handler → requester   "queued", "started" or "waiting-input": the request is here; to who attached to a
 *                                    stream also envelope.sequence: the next chunk has the next number
 *   progress   handler → requester   what the handler reports
 *   resumable  handler → requester   where its process ends, the stream may be sent again, to another,
 *                                    with envelope.sequence: the last chunk that was received
 *   question   handler → requester   { number, question }: what the handler asks; sent again until answered
 *   refused    handler → requester   it was not started here, and will not be
 *   missing    handler → requester   it never came: it was not started, and is not until sent again
 *   forgotten  handler → requester   it may have been answered longer ago than answers are kept
 *   verdict    handler → requester   what cancel, leave and look are answered with: a TimeoutOutcome;
 *                                    after a cancel "not-started" and "in-progress" mean: no longer
 *   cancel     requester → handler   the requester has given up: nothing of it is to happen any more
 *   leave      requester → handler   the requester has stopped waiting: the work goes on
 *   look       requester → handler   what is known?
 *   credit     requester → handler   envelope.credit: chunks up to this sequence may be sent
 *   inquiry    requester → handler   what became of it? envelope.sequence: chunks received so far;
 *                                    envelope.credit as above, in case that message was lost
 *   attach     anybody → handler     tell me, too, what becomes of it, under the id of this message;
 *                                    envelope.sequence and credit as above
 *   answer     requester → handler   { number } and a Given: see questions.ts
 *   waits      any → any             what do these requests wait for, in your process? ids; the
 *                                    correlationId is the question's
 *   waiting    any → any             what waits is answered with: see causality/probes.ts
 *   survey     any → any             what goes on in your process? the correlationId is the question's
 *   surveyed   any → any             what survey is answered with: see survey.ts
 *   present    either → either       nothing; whoever sends it wants to know whether it is heard
 *
 * cancel, leave, look and inquiry carry { sentAgoMs }: how long ago the request was sent; leave also
 * { reader }, where it is one who attached that has stopped waiting.
 */
import type { Envelope, Sender } from "../../message/envelope.ts";
import { encodeValue } from "../../message/envelope-codec.ts";
import { protocolVersion } from "../envelopes.ts";
import { post, type Site } from "../site.ts";

export const controlNames = [
  "accepted",
  "progress",
  "resumable",
  "question",
  "refused",
  "missing",
  "forgotten",
  "verdict",
  "cancel",
  "leave",
  "look",
  "credit",
  "inquiry",
  "attach",
  "answer",
  "waits",
  "waiting",
  "survey",
  "surveyed",
  "present",
] as const;

export type ControlName = (typeof controlNames)[number];

/** Those that go to the handler's end; all others go the other way. */
export const toHandler: ReadonlySet<string> = new Set<ControlName>([
  "cancel",
  "leave",
  "look",
  "credit",
  "inquiry",
  "attach",
  "answer",
]);

export interface ControlInput {
  /** Default: a new one. */
  readonly id?: string;
  readonly name: ControlName;
  readonly from: Sender;
  /** Agent at the other end. */
  readonly to: string;
  /** Inbox of the other end. */
  readonly topic: string;
  readonly correlationId: string;
  readonly data?: unknown;
  readonly credit?: number;
  readonly sequence?: number;
  readonly replyTo?: string;
  readonly onUnheard?: () => void;
}

export function sendControl(site: Site, input: ControlInput): void {
  const envelope: Envelope = {
    id: input.id ?? site.newId(),
    version: protocolVersion,
    kind: "control",
    name: input.name,
    from: input.from,
    to: [`agent:${input.to}`],
    createdMs: site.clock.nowMs(),
    priority: "critical",
    correlationId: input.correlationId,
    ...(input.credit === undefined ? {} : { credit: input.credit }),
    ...(input.sequence === undefined ? {} : { sequence: input.sequence }),
    ...(input.replyTo === undefined ? {} : { replyTo: input.replyTo }),
  };
  const frame = encodeValue(envelope, input.data);
  post(site, {
    topic: input.topic,
    frame,
    control: true,
    ...(input.onUnheard === undefined ? {} : { onUnheard: input.onUnheard }),
  });
}
