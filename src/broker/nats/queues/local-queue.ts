/**
 * One queue as far as this client receives from it: what its receivers have room for is asked of the
 * server, what comes is looked at (judge.ts), waits for its key (keys.ts), and is handed out.
 */
import { isColloquyError } from "../../../errors.ts";
import type { Timer } from "../../../runtime/clock.ts";
import type { Lane } from "../../broker.ts";
import type { QueueContext } from "./context.ts";
import { Item, nameOf } from "./item.ts";
import { endedErrors, exhausted, type Facts, judge, pastOf } from "./judge.ts";
import { isFirstOfKey } from "./key-head.ts";
import { Keys } from "./keys.ts";
import { type Pulled, Pulls } from "./pulls.ts";
import type { QueueReceiver } from "./receiver.ts";
import { type FinalRecord, firstLife, type LiveRecord } from "./record.ts";
import { lanes } from "./subjects.ts";
import { Turns } from "./turns.ts";

/** Parked messages beyond that go back for a while. */
const parkedMax = 10_000;
const parkedBytesMax = 32 * 2 ** 20;
const parkedDelayMs = 1_000;
const retryMs = 1_000;
/** How long more than there is room for is kept for the next that makes room. */
const surplusMs = 100;
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
  readonly #ready: readonly Item[][] = [[], [], [], []];
  readonly #pulls: readonly Pulls[];
  readonly #pulling = new Turns();
  readonly #offering = new Turns();
  readonly #keys: Keys;
  #arrived: Pulled[] = [];
  #turn = 0;
  #surplus: Timer | undefined;
  #keyPoll: Timer | undefined;
  #isOpen = false;
  #onlyParked = false;

  constructor(context: QueueContext, name: string) {
    this.name = name;
    this.#context = context;
    this.#keys = new Keys(
      (item) => isFirstOfKey(context, item),
      (item) => void this.#begin(item),
      (item) => {
        if (this.#isFull) this.#forget(item, parkedDelayMs);
      },
    );
    const { link, subjects } = context;
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
    this.#isOpen = true;
    this.pump();
  }

  /** A lane and key, in which a message has made way, here or elsewhere. */
  keyMoved(name: string): void {
    this.#keys.moved(name);
  }

  lost(): void {
    for (const pulls of this.#pulls) pulls.lost();
  }

  begun(): void {
    this.extendLeases();
    if (!this.#isOpen) {
      void this.open().catch(() => {});
      return;
    }
    for (const pulls of this.#pulls) pulls.begun();
    this.pump();
  }

  extendLeases(): void {
    for (const { reply } of this.#items.values()) this.#context.endings.extend(reply);
  }

  /** Nobody receives any more; what the receivers held has been given back. */
  async close(): Promise<void> {
    this.#isOpen = false;
    for (const pulls of this.#pulls) pulls.close();
    this.#surplus?.cancel();
    this.#keyPoll?.cancel();
    for (const item of this.#keys.takeParked()) {
      this.#items.delete(item.position);
      item.stage = "gone";
      this.#context.endings.giveBack(item.reply, 0);
    }
    await Promise.all(
      this.#ready.flatMap((ready) => ready.splice(0)).map((item) => this.putBack(item)),
    );
  }

  /** Asks the server for as much as there is room for. */
  pump(): void {
    this.#dispatch();
    if (!this.#isOpen || !this.#context.link.isReady) return;
    let room = -this.#readyCount;
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
    const ready = this.#ready[item.message.lane] as Item[];
    const at = ready.indexOf(item);
    if (at !== -1) ready.splice(at, 1);
    await this.#end(item, () => this.#context.endings.remove(item.position, item.reply));
  }

  /** The item is none of this client's any more. */
  leave(item: Item): void {
    if (this.#items.get(item.position) === item) this.#items.delete(item.position);
    item.stage = "gone";
    item.receiver?.drop(item);
    if (item.message.keyToken !== undefined) {
      this.#keys.leave(item);
      this.#context.tellKeyMoved(this.name, nameOf(item));
    }
    this.pump();
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
      return item;
    });
    try {
      const records = await context.records.read(
        this.name,
        items.map(({ position }) => position),
      );
      const nowMs = context.link.clock.nowMs();
      const facts = batch.map(({ message, deliveries, storedMs }, index): Facts => {
        const isSuspect = storedMs < context.serverSinceMs;
        return { message, deliveries, record: records[index], nowMs, isSuspect };
      });
      const parkedBefore = this.#keys.parked;
      const verdicts = facts.map(judge);
      const asked = items.filter((_, index) => {
        const verdict = verdicts[index];
        return verdict?.kind === "again" && verdict.ask;
      });
      const elsewhere = asked.length === 0 ? none : await context.heldElsewhere(this.name, asked);
      for (const [index, item] of items.entries()) {
        if (item.stage !== "arriving") continue;
        item.record = records[index];
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
        item.attempt = 0;
        this.#gate(item);
        return;
      case "again":
        if (isElsewhere) {
          this.#forget(item, link.settings.leaseMs);
          return;
        }
        item.past = pastOf(facts);
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
    if (this.#isFull && this.#keys.has(nameOf(item))) {
      this.#forget(item, parkedDelayMs);
      return;
    }
    this.#keys.enter(item);
    this.#keyPoll ??= this.#context.link.clock.setTimer(keyPollMs, () => this.#pollKeys());
  }

  get #isFull(): boolean {
    const { parked, parkedBytes } = this.#keys;
    return parked >= parkedMax || parkedBytes >= parkedBytesMax;
  }

  #pollKeys(): void {
    this.#keyPoll = undefined;
    if (!this.#isOpen || this.#keys.parked === 0) return;
    if (this.#context.link.isReady) this.#keys.poll();
    this.#keyPoll = this.#context.link.clock.setTimer(keyPollMs, () => this.#pollKeys());
  }

  /** The attempt is this client's: at once where it is the first, else once its record is written. */
  async #begin(item: Item): Promise<void> {
    const { past } = item;
    if (isExpired(item, this.#context.link.clock.nowMs())) {
      await this.finish(item, "expired");
      return;
    }
    if (past === undefined) {
      this.#makeReady(item);
      return;
    }
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
    item.stage = "ready";
    (this.#ready[item.message.lane] as Item[]).push(item);
    this.#dispatch();
  }

  get #readyCount(): number {
    let count = 0;
    for (const ready of this.#ready) count += ready.length;
    return count;
  }

  /** Ready items go to receivers with room, lane by lane and receiver by receiver in turn. */
  #dispatch(): void {
    while (this.#readyCount > 0) {
      const receiver = this.#nextReceiver();
      if (receiver === undefined) break;
      const lane = this.#offering.next((each) => (this.#ready[each]?.length ?? 0) > 0) as Lane;
      const item = this.#ready[lane]?.shift() as Item;
      item.stage = "held";
      receiver.deliver(item);
      this.#context.offered(item);
    }
    if (this.#readyCount > 0) {
      this.#surplus ??= this.#context.link.clock.setTimer(surplusMs, () => this.#returnSurplus());
    } else {
      this.#surplus?.cancel();
      this.#surplus = undefined;
    }
  }

  #nextReceiver(): QueueReceiver | undefined {
    const receivers = [...this.receivers];
    for (let tried = 0; tried < receivers.length; tried++) {
      const receiver = receivers[this.#turn++ % receivers.length] as QueueReceiver;
      if (receiver.room > 0) return receiver;
    }
    return undefined;
  }

  #returnSurplus(): void {
    this.#surplus = undefined;
    for (const [lane, ready] of this.#ready.entries()) {
      const items = ready.splice(0);
      if (items.length > 0) this.#pulls[lane]?.expectAtLeast(1);
      for (const item of items) void this.putBack(item);
    }
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

const none: ReadonlySet<number> = new Set();
