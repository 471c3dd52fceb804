/** What the parts of one process's exchange share. */
import type { Broker, Publication } from "../broker/broker.ts";
import type { ColloquyError } from "../errors.ts";
import type { CompressionOptions } from "../message/compression.ts";
import type { Envelope } from "../message/envelope.ts";
import { encodeValue } from "../message/envelope-codec.ts";
import type { Registry } from "../routing/registry.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { type TimerWheel, WheelEntry } from "../runtime/timer-wheel.ts";
import type { TurnTime } from "../runtime/turn-time.ts";
import type { IdSource } from "../runtime/ulid.ts";
import type { CausalityLimits } from "./causality/limits.ts";
import type { Operations } from "./requests/operations.ts";
import type { Space } from "./space.ts";

/** A call with a timeout. */
export abstract class Timed extends WheelEntry {
  abstract expire(): void;

  /** The process leaves, and it is still there. */
  end(_reason: ColloquyError): void {}
}

export interface Site {
  readonly broker: Broker;
  readonly clock: Clock;
  /** For what is stamped with every request and answer. */
  readonly turn: TurnTime;
  readonly random: Random;
  readonly newId: IdSource;
  /** One life of one process. */
  readonly instance: string;
  readonly space: Space;
  readonly registry: Registry;
  readonly timeouts: TimerWheel<Timed>;
  readonly counters: Counters;
  readonly operations: Operations;
  /** Takes what this process sends to its own inbox, which no broker brings back. */
  loopback: (frame: Uint8Array) => void;
  /** Copy payloads also where sender and receiver share a process. */
  readonly copy: boolean;
  readonly compression: CompressionOptions;
  readonly limits: CausalityLimits;
  /** Failures that belong to no caller: of a subscriber, of a late answer. */
  readonly onError: (error: unknown, where: string) => void;
}

/** What happened in this process, by count. */
export interface Counters {
  requests: number;
  streams: number;
  commands: number;
  published: number;
  received: number;
  /** Publications that did not come here because this process reads too slowly. */
  dropped: number;
  /** Handlers started, of any kind. */
  started: number;
  /** Of those, starts of a message that an earlier attempt had started. */
  repeated: number;
  /** Answers nobody waited for any more. */
  late: number;
  /** Settlements refused because a later attempt held the message. */
  stale: number;
}

export function newCounters(): Counters {
  return {
    requests: 0,
    streams: 0,
    commands: 0,
    published: 0,
    received: 0,
    dropped: 0,
    started: 0,
    repeated: 0,
    late: 0,
    stale: 0,
  };
}

/** Publishes to an inbox, which may be this process's own. */
export function post(site: Site, publication: Publication): void {
  const { topic, frame } = publication;
  if (topic === site.space.inbox(site.instance)) queueMicrotask(() => site.loopback(frame));
  else site.broker.topics.publish([publication]);
}

/** A message as this process sends it. @throws SERIALIZATION_ERROR or MESSAGE_TOO_LARGE. */
export function encodeBody(site: Site, envelope: Envelope, value: unknown): Uint8Array {
  return encodeValue(envelope, value, site.compression);
}
