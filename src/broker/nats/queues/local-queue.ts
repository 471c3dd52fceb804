/**
 * One queue as far as this client receives from it: what its receivers have room for is asked of the
 * server, what comes is looked at (judge.ts), waits for its key (keys.ts), and is handed out.
 */
import { isColloquyError } from "../../../errors.ts";
import type { Timer } from "../../../runtime/clock.ts";
import type { QueueContext } from "./context.ts";
import { Item, nameOf } from "./item.ts";
import { endedErrors, exhausted, type Facts, judge, pastOf } from "./judge.ts";
import { isFirstOfKey } from "./key-head.ts";
import { Keys } from "./keys.ts";
import { lookUp } from "./look-up.ts";
import { OfferedMarks } from "./offered-marks.ts";
import { type Pulled, Pulls } from "./pulls.ts";
import { Ready } from "./ready.ts";
import type { QueueReceiver } from "./receiver.ts";
import { type FinalRecord, firstLife, type LiveRecord } from "./record.ts";
import { lanes } from "./subjects.ts";
import { Turns } from "./turns.ts";

/** Messages beyond what may be parked go back for a while. */
const parkedDelayMs = 1_000;
const retryMs = 1_000;
const keyPollMs = 500;
/** Where everything that comes is parked, so many are asked for at a time. */
const lookAhead = 64;

export class LocalQueue {
  readonly name: string;
  readonly receivers: Set<QueueReceiver> = new Set();
  /** Clients that want to know what becomes of a message, by its position. */
  readonly followers: Map<number, Set<string>> = new Map();
  readonly #context: QueueContext;
  readonly #items = new Map<number, Item>();
  readonly #ready: Ready;
  readonly #pulls: readonly Pulls[];
  readonly #pulling = new Turns();
  readonly #keys: Keys;
  readonly #marks: OfferedMarks;
  /** Of the server that has delivered the items that are not held yet. */
  #serverSinceMs = 0;
  /** Of which it is not decided yet whether a receiver gets them: room has to be left for them. */
  readonly #coming = new Set<Item>();
  #arrived: Pulled[] = [];
  #keyPoll: Timer | undefined;
  #isOpen = false;
  #onlyParked = false;
  #isPumpDue = false;

  constructor(context: QueueContext, name: string) {
    this.name = name;
    this.#context = context;
    this.#keys = new Keys(
      (item) => isFirstOfKey(context, item),
      (item) => void this.#begin(item),
      (item) => {
        if (this.#keys.isFull) this.#forget(item, parkedDelayMs);
      },
    );
    const { link, subjects, publisher } = context;
    this.#marks = new OfferedMarks(link, subjects, publisher, name);
    this.#ready = new Ready({
      clock: link.clock,
      receivers: this.receivers,
      offered: (item) => context.offered(item),
      surplus: (lane, items) => {
        this.#pulls[lane]?.expectAtLeast(items.length);
        for (const item of items) void this.putBack(item);
      },
    });
    const take = (pulled: Pulled) => this.#take(pulled);
    const changed = () => this.pump();
    this.#pulls = lanes.map(
      (lane) => new Pulls({ link, subjects, queue: name, lane, take, changed }),
    );
  }

  get items(): Iterable<Item> {
    return this.#items.values();
  }

  /** In whatever stage. */
  find(position: number): Item | undefined {
    return this.#items.get(position);
  }

  held(position: number): Item | undefined {
    const item = this.#items.get(position);
    return item?.isHeld === true ? item : undefined;
  }

  get offered(): number {
    let count = 0;
    for (const item of this.#items.values()) if (item.isHeld) count++;
    return count;
  }

  holdsKey(name: string): boolean {
    return this.#keys.holds(name);
  }

  /** Makes the consumers. Rejects where that cannot be now; asked again with the next connection. */
  async open(): Promise<void> {
    await Promise.all(this.#pulls.map((pulls) => pulls.open()));
    this.#serverSinceMs = this.#context.serverSinceMs;
    this.#isOpen = true;
    this.pump();
  }

  /** A lane and key, in which a message has made way, here or elsewhere. */
  keyMoved(name: string): void {
    this.#keys.moved(name);
  }

  /** The mailbox was removed. */
  removed(): void {
    this.#marks.removed();
  }

  /** What was delivered is this client's still, but by a number that the server may not know again. */
  lost(): void {
    this.#marks.lost();
    for (const pulls of this.#pulls) pulls.lost();
    for (const item of this.#items.values()) item.reply = this.#again(item);
    this.#arrived = this.#arrived.map((pulled) => ({ ...pulled, reply: this.#again(pulled) }));
  }

  #again({ message }: Item | Pulled): string {
    return this.#context.subjects.acknowledgement(this.name, message);
  }

  /** There is a connection again. @throws as `open`, where it was not open before. */
  async begun(): Promise<void> {
    this.extendLeases();
    if (!this.#isOpen) {
      await this.open();
      return;
    }
    const { serverSinceMs } = this.#context;
    if (serverSinceMs !== this.#serverSinceMs) this.#forgotten();
    this.#serverSinceMs = serverSinceMs;
    for (const pulls of this.#pulls) pulls.begun();
    this.pump();
  }

  /** A server that may not remember what it has delivered: others may be about to offer it. */
  #forgotten(): void {
    for (const item of this.#items.values()) if (!item.isHeld) item.isForgotten = true;
  }

  extendLeases(): void {
    for (const item of this.#items.values()) {
      item.extensions++;
      this.#context.endings.extend(item.reply);
    }
  }

  /** Nobody receives any more; what the receivers held has been given back. */
  async close(): Promise<void> {
    this.#isOpen = false;
    for (const pulls of this.#pulls) pulls.close();
    this.#keyPoll?.cancel();
    for (const item of this.#keys.takeParked()) {
      this.#items.delete(item.position);
      item.stage = "gone";
      this.#context.endings.giveBack(item.reply, 0);
    }
    await Promise.all(this.#ready.takeAll().map((item) => this.putBack(item)));
  }

  /** Asks the server for as much as there is room for. */
  pump(): void {
    this.#isPumpDue = false;
    this.#ready.dispatch();
    if (!this.#isOpen || !this.#context.link.isReady) return;
    let room = -this.#ready.count - this.#arrived.length - this.#coming.size;
    for (const receiver of this.receivers) room += receiver.room;
    if (room <= 0) return;
    const wanted = [0, 0, 0, 0];
    // One message of each lane may come beyond what there is room for, and goes back if it has to wait.
    for (const pulls of this.#pulls) room -= Math.max(0, pulls.outstanding - 1);
    const left = this.#pulls.map((pulls) =>
      pulls.isOpen ? Math.max(0, pulls.waiting - pulls.outstanding) : 0,
    );
    const ahead = this.#onlyParked ? lookAhead : 0;
    for (let free = Math.max(room, ahead); free > 0; free--) {
      const lane = this.#pulling.next((each) => (left[each] as number) > 0);
      if (lane === undefined) break;
      (wanted[lane] as number)++;
      (left[lane] as number)--;
    }
    for (const [lane, pulls] of this.#pulls.entries()) {
      const count = wanted[lane] as number;
      if (count > 0) pulls.pull(count, false);
      else if (pulls.isOpen && pulls.waiting === 0 && pulls.outstanding === 0) {
        pulls.pull(1, true);
      }
    }
  }

  /** Hands the items of a receiver over to another, or takes in what is claimed. */
  adopt(receiver: QueueReceiver, item: Item): void {
    item.receiver?.drop(item);
    receiver.add(item);
    if (this.#items.get(item.position) === item) return;
    this.#items.set(item.position, item);
    item.stage = "held";
    if (item.message.keyToken !== undefined) this.#keys.lead(item);
    this.#context.endings.extend(item.reply);
  }

  /** The message is final, by somebody else, and no receiver has it yet. */
  async discard(item: Item): Promise<void> {
    this.#ready.remove(item);
    await this.#end(item, () => this.#context.endings.remove(item.position, item.reply));
  }

  /** The item is none of this client's any more. */
  leave(item: Item): void {
    if (this.#items.get(item.position) === item) this.#items.delete(item.position);
    this.#coming.delete(item);
    if (item.isOver) this.followers.delete(item.position);
    item.stage = "gone";
    item.receiver?.drop(item);
    if (item.message.keyToken !== undefined) {
      this.#keys.leave(item);
      this.#context.tellKeyMoved(this.name, nameOf(item));
    }
    // What the same reading of the socket brings makes room together.
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#context.link.clock.defer(() => this.pump());
  }

  /** A message that nobody was offered goes back, and that counts for nothing. */
  async putBack(item: Item): Promise<void> {
    const record: LiveRecord = {
      ...(item.live ?? firstLife),
      state: "free",
      by: this.#context.clientId,
      unstarted: true,
    };
    await this.#end(item, async () => {
      await this.#context.endings.write(this.name, item.position, record, item.expected);
      this.#context.endings.giveBack(item.reply, 0);
    });
  }

  #take(pulled: Pulled): void {
    const known = this.#items.get(pulled.message.position);
    if (known !== undefined) {
      // The lease has run out and nobody else has it: it is still this client's.
      known.reply = pulled.reply;
      // It has used up what was asked for others.
      this.pump();
      return;
    }
    this.#arrived.push(pulled);
    // What the same reading of the socket brings comes together.
    if (this.#arrived.length === 1) this.#context.link.clock.defer(() => void this.#arrive());
  }

  async #arrive(): Promise<void> {
    const context = this.#context;
    const batch = this.#arrived;
    this.#arrived = [];
    const items = batch.map(({ message, reply }) => {
      const item = new Item(this.name, message, reply);
      this.#items.set(item.position, item);
      this.#coming.add(item);
      return item;
    });
    try {
      const { facts, elsewhere } = await lookUp(context, this.name, this.#marks, batch, items);
      const parkedBefore = this.#keys.parked;
      for (const [index, item] of items.entries()) {
        if (item.stage !== "arriving") continue;
        this.#decide(item, facts[index] as Facts, elsewhere.has(item.position));
      }
      this.#onlyParked = this.#keys.parked - parkedBefore >= items.length;
    } catch {
      // The connection is lost, or the broker closed: they come back when their lease is over.
      for (const item of items) if (item.stage === "arriving") this.leave(item);
    }
    this.pump();
  }

  #decide(item: Item, facts: Facts, isElsewhere: boolean): void {
    const { endings, link } = this.#context;
    item.record = facts.record;
    const verdict = judge(facts);
    switch (verdict.kind) {
      case "remove":
        void this.#end(item, () => endings.remove(item.position, item.reply));
        return;
      case "expire":
        void this.finish(item, "expired");
        return;
      case "lost":
        void this.finish(item, "lost");
        return;
      case "later":
        this.#forget(item, verdict.delayMs);
        return;
      case "first":
      case "again":
        if (isElsewhere) {
          this.#forget(item, link.settings.leaseMs);
          return;
        }
        if (verdict.kind === "first") item.attempt = 0;
        else item.past = pastOf(facts);
        this.#gate(item);
        return;
    }
  }

  #gate(item: Item): void {
    if (item.message.keyToken === undefined) {
      void this.#begin(item);
      return;
    }
    // One whose key is not known here may be the first.
    if (this.#keys.isFull && this.#keys.has(nameOf(item))) {
      this.#forget(item, parkedDelayMs);
      return;
    }
    this.#coming.delete(item);
    this.#keys.enter(item);
    this.#keyPoll ??= this.#context.link.clock.setTimer(keyPollMs, () => this.#pollKeys());
  }

  #pollKeys(): void {
    this.#keyPoll = undefined;
    if (!this.#isOpen || this.#keys.parked === 0) return;
    if (this.#context.link.isReady) this.#keys.poll();
    this.#keyPoll = this.#context.link.clock.setTimer(keyPollMs, () => this.#pollKeys());
  }

  /** The attempt is this client's: at once where it is the first, else once its record is written. */
  async #begin(item: Item): Promise<void> {
    this.#coming.add(item);
    const { lane, position, guarantee } = item.message;
    if (isExpired(item, this.#context.link.serverNowMs())) {
      await this.finish(item, "expired");
      return;
    }
    if (item.past === undefined && !this.#marks.covers(lane, position)) {
      item.stage = "arriving";
      const isCovered = await this.#marks.cover(lane, position).then(
        () => true,
        () => false,
      );
      if (item.stage !== "arriving") return;
      if (!isCovered) {
        this.#forget(item, retryMs);
        return;
      }
    }
    if (item.past === undefined && !item.isForgotten) {
      this.#makeReady(item);
      return;
    }
    if (item.past === undefined && guarantee === "at-most-once") {
      this.#forget(item, 0);
      return;
    }
    const past = item.past ?? { ...firstLife, attempt: 0 };
    const error = exhausted(past.attempts);
    if (error !== undefined) {
      await this.finish(item, "dead", { error, life: past });
      return;
    }
    const { endings, clientId } = this.#context;
    const attempt = past.attempt + 1;
    const [receiver] = this.receivers;
    const consumer = receiver?.consumer ?? "";
    const { unstarted: _, ...kept } = past;
    const record: LiveRecord = {
      ...kept,
      ...{ state: "open", attempt, by: clientId, consumer, dueMs: 0 },
    };
    item.stage = "arriving";
    try {
      item.record = await endings.write(this.name, item.position, record, item.expected);
      item.attempt = attempt;
      item.past = undefined;
      this.#makeReady(item);
    } catch (error) {
      // Somebody else has decided about it, and will bring it to an end, or back.
      if (isColloquyError(error, "CONFLICT")) this.#forget(item, 0);
      else this.leave(item);
    }
  }

  #makeReady(item: Item): void {
    if (item.over !== undefined) {
      void this.#end(item, () => this.#context.endings.remove(item.position, item.reply));
      return;
    }
    this.#coming.delete(item);
    this.#ready.add(item);
  }

  /** Without a record: whoever gets it next sees the same. */
  #forget(item: Item, delayMs: number): void {
    this.#context.endings.giveBack(item.reply, delayMs);
    this.leave(item);
  }

  /** Ends a message that no receiver has. */
  async finish(
    item: Item,
    why: "expired" | "lost" | "dead",
    death?: { readonly error: NonNullable<FinalRecord["error"]>; readonly life: LiveRecord },
  ): Promise<void> {
    const { endings, clientId } = this.#context;
    const { message } = item;
    const by = clientId;
    const attempt = Math.max(0, item.past?.attempt ?? item.attempt);
    await this.#end(item, async () => {
      if (death !== undefined) {
        const { error, life } = death;
        const record = { state: "dead", attempt, by, error } as const;
        item.record = await endings.bury(this.name, {
          message,
          life,
          record,
          expected: item.expected,
        });
      } else {
        const state = why === "lost" ? "failed" : "expired";
        const error = endedErrors[why === "lost" ? "lost" : "expired"];
        const record = { state, attempt, by, error } as const;
        item.record = await endings.write(this.name, item.position, record, item.expected);
      }
      await endings.remove(item.position, item.reply);
    });
  }

  /** Whatever goes wrong, the message comes back when its lease is over. */
  async #end(item: Item, act: () => Promise<void>): Promise<void> {
    this.#coming.delete(item);
    item.stage = "settling";
    try {
      await act();
    } catch {
      if (this.#context.link.isReady) this.#context.endings.giveBack(item.reply, retryMs);
    }
    this.leave(item);
  }
}

/** It may have waited for others of its key since it came. */
function isExpired({ message: { expiresAtMs } }: Item, nowMs: number): boolean {
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}
