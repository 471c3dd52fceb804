/**
 * What a stream has and gets, pushed as it comes: a consumer of the server's that nobody acknowledges.
 *
 * It begins anew with every connection, and wherever its numbers show a gap. It has no place on the
 * server that outlives it: what it has seen, its owner knows.
 */
import { type ColloquyError, isColloquyError } from "../../errors.ts";
import type { Timer } from "../../runtime/clock.ts";
import { sleep } from "../../runtime/sleep.ts";
import { hearing, type NatsMessage, type NatsSubscription } from "./client.ts";
import type { NatsLink } from "./connection.ts";
import type { StoredMessage } from "./jetstream.ts";
import type { StreamKind } from "./names.ts";

export interface FeedOptions {
  readonly kind: StreamKind;
  readonly filter: string;
  /** Where it begins, asked each time that it does: with the last of each subject, or at a sequence. */
  readonly begin: () => "last of each subject" | number;
  /** Without their data. */
  readonly headersOnly?: boolean;
  /** It was refused when it had to begin again, and has ended. Must not throw. */
  readonly onRefused?: (error: ColloquyError) => void;
  /** Must not throw. */
  readonly onMessage: (message: StoredMessage) => void;
  /** It begins, also again: what comes now is from its beginning on. Must not throw. */
  readonly onBegin?: () => void;
}

const nanosecondsPerMs = 1_000_000;
const heartbeatMs = 5_000;
/** Silences in which a consumer counts as gone. */
const silencesMax = 3;
/** How long the server keeps a consumer that nobody listens to. */
const inactiveMs = 60_000;
const retryMs = 200;
const nothing = new Uint8Array();
const encoder = new TextEncoder();

export class Feed {
  readonly #link: NatsLink;
  readonly #options: FeedOptions;
  #consumer: string | undefined;
  #subscription: NatsSubscription | undefined;
  #consumerSeq = 0;
  #watchdog: Timer | undefined;
  #heard = true;
  #silences = 0;
  #stopped = false;

  constructor(link: NatsLink, options: FeedOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** Begins, in place of what is going on. @throws what the server refuses; CLOSED. */
  async begin(): Promise<void> {
    const link = this.#link;
    const options = this.#options;
    this.#end();
    await link.whenReady();
    if (this.#stopped) return;
    const consumer = link.newId();
    this.#consumer = consumer;
    this.#consumerSeq = 0;
    const deliver = `${link.inbox}.feed.${consumer}`;
    this.#subscription = link.client.subscribe(
      deliver,
      hearing((error, message) => {
        if (error === null && this.#consumer === consumer) this.#received(message);
      }),
    );
    // Messages may come before the answer does.
    options.onBegin?.();
    await this.#create(consumer, deliver);
    if (this.#consumer === consumer) this.#watch(consumer);
  }

  /** As `begin`, again and again until it has, or nobody wants it any more, or it is refused. */
  async beginAgain(): Promise<void> {
    for (;;) {
      try {
        await this.begin();
        return;
      } catch (error) {
        if (this.#stopped || isColloquyError(error, "CLOSED")) return;
        if (isColloquyError(error, "FORBIDDEN")) {
          this.stop();
          this.#options.onRefused?.(error);
          return;
        }
        await sleep(this.#link.clock, retryMs);
      }
      // The next connection begins it.
      if (this.#stopped || !this.#link.isReady) return;
    }
  }

  /** The connection is gone, and with it the consumer. */
  lost(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    this.#consumer = undefined;
    this.#watchdog?.cancel();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#end();
  }

  async #create(consumer: string, deliver: string): Promise<void> {
    const { kind, filter, begin, headersOnly = false } = this.#options;
    const stream = this.#link.names.streams[kind];
    const from = begin();
    const config = {
      name: consumer,
      deliver_subject: deliver,
      filter_subject: filter,
      ...(typeof from === "number"
        ? { deliver_policy: "by_start_sequence", opt_start_seq: Math.max(1, from) }
        : { deliver_policy: "last_per_subject" }),
      ack_policy: "none",
      replay_policy: "instant",
      max_deliver: 1,
      mem_storage: true,
      num_replicas: 1,
      headers_only: headersOnly,
      flow_control: true,
      idle_heartbeat: heartbeatMs * nanosecondsPerMs,
      inactive_threshold: inactiveMs * nanosecondsPerMs,
    };
    await this.#link.api(`CONSUMER.CREATE.${stream}.${consumer}`, {
      stream_name: stream,
      config,
      action: "create",
    });
  }

  #received(message: NatsMessage): void {
    this.#heard = true;
    const { headers, reply = "" } = message;
    if (headers !== undefined && headers.code === 100) {
      this.#controlled(message);
      return;
    }
    const place = placeOf(reply);
    if (place === undefined) return;
    if (place.consumerSeq !== ++this.#consumerSeq) {
      void this.beginAgain();
      return;
    }
    this.#options.onMessage(new PushedMessage(message, place));
  }

  /** The server asks whether this process keeps up, or shows that it is there itself. */
  #controlled({ headers, reply = "" }: NatsMessage): void {
    if (reply !== "") {
      this.#link.publish(reply, nothing);
      return;
    }
    const stalled = headers?.get("Nats-Consumer-Stalled") ?? "";
    if (stalled !== "") this.#link.publish(stalled, nothing);
    const sent = headers?.get("Nats-Last-Consumer") ?? "";
    if (sent !== "" && Number(sent) !== this.#consumerSeq) void this.beginAgain();
  }

  #watch(consumer: string): void {
    this.#heard = true;
    this.#silences = 0;
    const tick = () => {
      if (this.#consumer !== consumer) return;
      this.#silences = this.#heard ? 0 : this.#silences + 1;
      this.#heard = false;
      if (this.#silences >= silencesMax) void this.beginAgain();
      else this.#watchdog = this.#link.clock.setTimer(heartbeatMs, tick);
    };
    this.#watchdog?.cancel();
    this.#watchdog = this.#link.clock.setTimer(heartbeatMs, tick);
  }

  #end(): void {
    const consumer = this.#consumer;
    this.lost();
    if (consumer === undefined || !this.#link.isReady) return;
    const stream = this.#link.names.streams[this.#options.kind];
    // The server would find out by itself, later.
    this.#link.publish(`$JS.API.CONSUMER.DELETE.${stream}.${consumer}`, encoder.encode(""));
  }
}

interface Place {
  readonly seq: number;
  readonly consumerSeq: number;
  readonly atMs: number;
}

/** `$JS.ACK.` and, from the end: token?, pending, time, consumer and stream sequence, deliveries. */
function placeOf(reply: string): Place | undefined {
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK" || tokens.length < 9) return undefined;
  const begin = tokens.length === 9 ? 5 : 7;
  return {
    seq: Number(tokens[begin]),
    consumerSeq: Number(tokens[begin + 1]),
    atMs: Number((tokens[begin + 2] ?? "0").slice(0, -6)),
  };
}

class PushedMessage implements StoredMessage {
  readonly subject: string;
  readonly seq: number;
  readonly atMs: number;
  readonly data: Uint8Array;
  readonly #message: NatsMessage;

  constructor(message: NatsMessage, { seq, atMs }: Place) {
    this.subject = message.subject;
    this.seq = seq;
    this.atMs = atMs;
    this.data = message.data;
    this.#message = message;
  }

  header(name: string): string {
    return this.#message.headers?.get(name) ?? "";
  }
}
