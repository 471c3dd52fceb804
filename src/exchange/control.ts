/**
 * What the two ends of one exchange tell each other beside the request and its answer. Each is a
 * message of kind "control" whose correlationId is the request's id:
 *
 *   accepted   handler → requester   { state }: it is "queued" or "started" here
 *   progress   handler → requester   what the handler reports
 *   missing    handler → requester   the request never came: it was not started
 *   forgotten  handler → requester   it may have been answered longer ago than answers are kept
 *   cancel     requester → handler   the requester has given up
 *   credit     requester → handler   envelope.credit: chunks up to this sequence may be sent
 *   inquiry    requester → handler   what became of it? envelope.sequence: chunks received so far,
 *                                    { sentAgoMs }: how long ago the request was sent
 */
import type { Envelope, Sender } from "../message/envelope.ts";
import { encodeValue } from "../message/envelope-codec.ts";
import { protocolVersion } from "./envelopes.ts";
import type { Site } from "./site.ts";

export type ControlName =
  | "accepted"
  | "progress"
  | "missing"
  | "forgotten"
  | "cancel"
  | "credit"
  | "inquiry";

export interface ControlInput {
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
    id: site.newId(),
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
  site.broker.topics.publish([
    {
      topic: input.topic,
      frame,
      control: true,
      ...(input.onUnheard === undefined ? {} : { onUnheard: input.onUnheard }),
    },
  ]);
}
