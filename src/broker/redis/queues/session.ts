/**
 * What a broker object has open on the queues: receivers, and those who want messages back. It outlives links: with each new one everything is told to the server again.
 */
import type { ColloquyError } from "../../../errors.ts";
import type { Clock, Timer } from "../../../runtime/clock.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { CancelOutcome, MessageState, ReceiveOptions } from "../../broker.ts";
import type { RedisArgument, RedisReply } from "../client.ts";
import type { LinkPart, RedisConnection } from "../connection.ts";
import { isReply, replyError } from "../errors.ts";
import type { RedisLink } from "../link.ts";
import type { Subscriptions } from "../subscriptions.ts";
import { type Head, noticeOf, type OfferHead } from "./notices.ts";
import { type ClaimAnswer, type ReceiverOwner, RedisReceiver, type Taken } from "./receiver.ts";
import { holdScript } from "./scripts/hold.ts";
import { beatScript, leaveLastScript, leaveScript } from "./scripts/leave.ts";
import { takeScript } from "./scripts/take.ts";
import { decodeLine, decodeState } from "./states.ts";
import type { Tracking } from "./tracking.ts";

/** How often a session says within its lease that it lives. */
const beatsPerLease = 3;

const claimAnswers: readonly ClaimAnswer[] = ["lost", "held", "waiting-input", "cancelled"];

/** Parameters that say on which channel, and with what message, dead letters are announced. */
export type Announcement = readonly [channel: string, message: Buffer];

export class QueueSession implements LinkPart, ReceiverOwner {
  readonly clock: Clock;
  readonly announcement: Announcement;
  readonly #connection: RedisConnection;
  readonly #receivers = new Map<string, RedisReceiver>();
  readonly #holders = new Map<number, RedisReceiver>();
  readonly #tracking: Tracking;
  /** Undefined is told when the link was lost: then it is asked for anew. */
  readonly #withdrawals = new Map<number, Deferred<CancelOutcome | undefined>>();
  #serial = 0;
  #beat: Timer | undefined;

  constructor(
    connection: RedisConnection,
    subscriptions: Subscriptions,
    tracking: Tracking,
    announcement: Announcement,
  ) {
    this.#connection = connection;
    this.#tracking = tracking;
    this.clock = connection.clock;
    this.announcement = announcement;
    const { names, session } = connection;
    const { inForce } = subscriptions.listen(names.key("q", "n", session), false, {
      receive: (message) => this.#hear(message),
    });
    inForce.catch(() => {});
    connection.add(this);
  }

  /** The key that tells scripts where everything lies. */
  get key(): string {
    return this.#connection.names.key("q");
  }

  open(queue: string, options: ReceiveOptions, signal: AbortSignal): RedisReceiver {
    const id = `${this.#connection.session}.${++this.#serial}`;
    const receiver = new RedisReceiver(this, id, queue, options);
    if (signal.aborted) {
      receiver.end(false);
      return receiver;
    }
    this.#receivers.set(id, receiver);
    const { link } = this.#connection;
    if (link !== undefined) void this.#resume(receiver, link).catch(() => {});
    return receiver;
  }

  /** Who holds the attempt here. */
  holderOf(fence: number): RedisReceiver | undefined {
    return this.#holders.get(fence);
  }

  /** A number under which the server answers once the holder of a message has. */
  expectWithdrawal(): {
    readonly number: number;
    readonly outcome: Deferred<CancelOutcome | undefined>;
  } {
    const number = ++this.#serial;
    const outcome = new Deferred<CancelOutcome | undefined>();
    outcome.promise.catch(() => {});
    this.#withdrawals.set(number, outcome);
    return { number, outcome };
  }

  forgetWithdrawal(number: number): void {
    this.#withdrawals.delete(number);
  }

  async take(receiver: RedisReceiver, room: number, bytes: number): Promise<Taken> {
    const { link } = this.#connection;
    if (link === undefined) throw new Error("the link is lost");
    const { queue, id, generation, offers } = receiver;
    const numbers = [generation, room, bytes, offers].map(String);
    const parameters = [queue, id, ...numbers];
    let reply: RedisReply;
    try {
      reply = await link.evaluate(takeScript, [this.key], parameters);
    } catch (cause) {
      if (isReply(cause)) receiver.fail(replyError(cause, "take"));
      throw cause;
    }
    return decodeTaken(reply as readonly RedisReply[]);
  }

  holds(receiver: RedisReceiver, fence: number, held: boolean): void {
    const before = this.#holders.get(fence);
    if (held) {
      this.#holders.set(fence, receiver);
      // Whoever claims it has it from now on.
      if (before !== undefined && before !== receiver) before.release(fence);
    } else if (before === receiver) {
      this.#holders.delete(fence);
    }
  }

  ended(receiver: RedisReceiver, crashed: boolean): void {
    if (!this.#receivers.delete(receiver.id)) return;
    const { failure } = this.#connection;
    const parameters = this.#leaving(receiver, crashed);
    receiver.releaseAll();
    if (failure !== undefined) this.#last.push(parameters);
    else this.#connection.once(leaveScript, [this.key], parameters).catch(() => {});
  }

  /** Of receivers that end because the broker is closed. */
  readonly #last: (readonly RedisArgument[])[] = [];

  gone(receiver: RedisReceiver): void {
    const { link } = this.#connection;
    if (link !== undefined) void this.#resume(receiver, link).catch(() => {});
  }

  async begin(link: RedisLink): Promise<void> {
    await this.#show(link);
    await Promise.all([...this.#receivers.values()].map((each) => this.#resume(each, link)));
  }

  ready(): void {
    this.#nextBeat();
    for (const receiver of this.#receivers.values()) {
      // They could not take anything before. Who began while the link did is not known to the server yet.
      if (receiver.known) receiver.wake();
      else this.gone(receiver);
    }
    for (const outcome of this.#withdrawals.values()) outcome.resolve(undefined);
  }

  lost(): void {
    this.#beat?.cancel();
    for (const receiver of this.#receivers.values()) receiver.lost();
  }

  closed(error: ColloquyError): void {
    this.#beat?.cancel();
    for (const receiver of [...this.#receivers.values()]) receiver.end(false);
    for (const outcome of this.#withdrawals.values()) outcome.reject(error);
  }

  async leave(link: RedisLink): Promise<void> {
    const leaving = this.#last.map((each) => link.evaluate(leaveLastScript, [this.key], each));
    await Promise.all([...leaving, this.#show(link, true)]);
  }

  #leaving(receiver: RedisReceiver, crashed: boolean): readonly RedisArgument[] {
    const { queue, id, seen } = receiver;
    const how = crashed ? "crash" : "release";
    const { session } = this.#connection;
    return [queue, id, session, how, ...this.announcement, ...seen.map(String)];
  }

  /** Tells the server what the receiver holds, on a link that has just begun or is there. */
  async #resume(receiver: RedisReceiver, link: RedisLink): Promise<void> {
    const { session, limits } = this.#connection;
    const generation = receiver.begin();
    const { claims, queue, id, consumer } = receiver;
    const parameters = [queue, id, String(generation), receiver.hearsNotices ? "1" : "0", session];
    parameters.push(String(Math.ceil(limits.leaseMs)), consumer);
    for (const { position, fence } of claims) parameters.push(String(position), String(fence));
    try {
      const reply = await link.evaluate(holdScript, [this.key], parameters);
      if (generation !== receiver.generation || receiver.ended) return;
      const answers = (reply as readonly number[]).map((each) => claimAnswers[each] ?? "lost");
      receiver.resumed(claims, answers);
    } catch (cause) {
      if (isReply(cause)) receiver.fail(replyError(cause, "hold"));
      throw cause;
    }
  }

  #nextBeat(): void {
    const { clock, limits } = this.#connection;
    this.#beat = clock.setTimer(limits.leaseMs / beatsPerLease, () => {
      const { link } = this.#connection;
      if (link === undefined) return;
      this.#show(link).catch(() => {});
      this.#nextBeat();
    });
  }

  /** The session lives, or leaves in order. */
  async #show(link: RedisLink, leaves: boolean = false): Promise<void> {
    const { session, limits } = this.#connection;
    const lease = String(Math.ceil(limits.leaseMs));
    const parameters = [session, lease, ...this.announcement, leaves ? "1" : ""];
    const known = await link.evaluate(beatScript, [this.key], parameters);
    if (leaves || this.#connection.link !== link) return;
    if (known === 0) this.#missed();
    for (const receiver of this.#receivers.values()) {
      // What it was offered may be somebody else's by now. Otherwise: a wake that was lost is made up for.
      if (known === 0) this.gone(receiver);
      else receiver.wake();
    }
  }

  /** Something may have ended without its being told here. */
  #missed(): void {
    this.#tracking.missed();
    for (const outcome of this.#withdrawals.values()) outcome.resolve(undefined);
  }

  #hear(message: Buffer): void {
    const { head, data } = decodeLine<Head>(message);
    switch (head.t) {
      case "wake":
        this.#receivers.get(head.r)?.wake();
        break;
      case "offer":
        this.#receivers.get(head.r)?.offered(Number(head.g), decodeOffer(head, data));
        break;
      case "due":
        this.#receivers.get(head.r)?.wakeAfter(head.ms);
        break;
      case "gone":
        this.#holders.get(Number(head.f))?.release(Number(head.f));
        break;
      case "removed":
        for (const receiver of this.#receivers.values()) {
          if (receiver.queue === head.q) receiver.releaseAll();
        }
        this.#missed();
        break;
      case "live":
      case "end":
        this.#tracking.told(head.q, head.p, decodeState(data));
        break;
      case "done":
        for (const position of head.p) this.#tracking.told(head.q, position, done);
        break;
      case "withdrawn":
        this.#withdrawals.get(Number(head.n))?.resolve(data.toString() as CancelOutcome);
        break;
      default:
        this.#receivers.get(head.r)?.notify(noticeOf(head, data));
    }
  }
}

const done: MessageState = Object.freeze({ state: "done" });
const fresh = Object.freeze({ failures: 0, pickups: 0, crashes: 0 });

function decodeOffer(head: OfferHead, frames: Buffer): Omit<Taken, "gone"> {
  const { more, due, f, p, b, a } = head;
  const first = Number(f);
  let from = 0;
  const deliveries = p.map((position, index) => {
    const frame = frames.subarray(from, from + (b[index] ?? 0));
    from += frame.length;
    const known = a[position];
    const [failures = 0, pickups = 0, crashes = 0] = known ?? [];
    const attempts = known === undefined ? fresh : { failures, pickups, crashes };
    return { position: Number(position), fence: first + index, frame, attempts };
  });
  return { more: more === 1, dueMs: due, deliveries };
}

type TakenMessage = readonly [position: Buffer, frame: Buffer, ...attempts: number[]];

function decodeTaken(reply: readonly RedisReply[]): Taken {
  const [more, due, first, ...messages] = reply;
  if (typeof more !== "number") return { gone: true, more: false, dueMs: -1, deliveries: [] };
  let fence = Number(String(first));
  const deliveries: Taken["deliveries"][number][] = [];
  for (const message of messages as readonly unknown[] as readonly TakenMessage[]) {
    const [position, frame, failures, pickups = 0, crashes = 0] = message;
    const attempts = failures === undefined ? fresh : { failures, pickups, crashes };
    deliveries.push({
      position: Number(position.toString()),
      fence: fence++,
      frame,
      attempts,
    });
  }
  return { gone: false, more: more === 1, dueMs: Number(due), deliveries };
}
