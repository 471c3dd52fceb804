/**
 * Everything at once, by seed: several clients send and handle, handlers fail, release, bury and
 * vanish. Whatever happened, the history must add up.
 */
import assert from "node:assert/strict";
import type {
  Broker,
  Capabilities,
  Delivery,
  Outcome,
  QueuedMessage,
} from "../../broker/broker.ts";
import type { Random } from "../../runtime/random.ts";
import { SeededRandom } from "../../runtime/random.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import { collect, dead, done, message, planted, release, retry, settle, text } from "./messages.ts";
import type { Trial } from "./trial.ts";

const senders = 3;
const perSender = 70;
const workersPerClient = 2;
const keys = 8;

/** One message through its life, as those who sent and handled it saw it. */
interface Life {
  readonly sent: QueuedMessage;
  position: number;
  offers: number;
  /** The outcome that ended it; "lost" of an at-most-once message whose receiver left. */
  final: Outcome["kind"] | undefined;
}

class History {
  readonly lives = new Map<string, Life>();
  /** Final outcomes in the order they were asked for. */
  readonly finished: Life[] = [];

  life(delivery: Delivery): Life {
    const life = this.lives.get(text(delivery.frame));
    assert.ok(life, `${text(delivery.frame)} was never sent`);
    return life;
  }

  offered(delivery: Delivery): void {
    const life = this.life(delivery);
    const content = text(delivery.frame);
    assert.equal(life.final, undefined, `${content} was final and came again`);
    life.offers++;
    if (life.sent.guarantee !== "at-most-once") return;
    assert.equal(life.offers, 1, `${content} was to come once at most`);
  }

  finish(life: Life, kind: Outcome["kind"]): void {
    life.final = kind;
    this.finished.push(life);
  }
}

function draw<Value>(random: Random, values: readonly [Value, ...Value[]]): Value {
  return values[random.uint32() % values.length] ?? values[0];
}

function randomMessage(
  content: string,
  nowMs: number,
  random: Random,
  { priorities, keyOrder, delay, exactlyOnce }: Capabilities,
): QueuedMessage {
  const guarantees = ["at-most-once", "at-least-once", "at-least-once"] as const;
  const keyed = keyOrder && random.float() < 0.7;
  return message(content, {
    guarantee: exactlyOnce && random.float() < 0.3 ? "exactly-once" : draw(random, guarantees),
    lane: priorities ? draw(random, [0, 1, 2, 3]) : 2,
    ...(keyed ? { key: `key ${random.uint32() % keys}` } : {}),
    ...(delay && !keyed && random.float() < 0.2
      ? { notBeforeMs: nowMs + random.float() * 40 }
      : {}),
  });
}

async function send(
  trial: Trial,
  broker: Broker,
  queue: string,
  name: string,
  random: Random,
  history: History,
): Promise<void> {
  for (let sent = 0; sent < perSender; ) {
    const batch: QueuedMessage[] = [];
    for (let count = 1 + (random.uint32() % 12); count > 0 && sent < perSender; count--) {
      const content = `${name} ${sent++}`;
      const next = randomMessage(content, trial.clock.nowMs(), random, broker.capabilities);
      history.lives.set(content, { sent: next, position: 0, offers: 0, final: undefined });
      batch.push(next);
    }
    const outcomes = await broker.queues.enqueue(queue, batch);
    for (const [index, outcome] of outcomes.entries()) {
      assert.ok(outcome.kind === "stored" && !outcome.duplicate, JSON.stringify(outcome));
      const life = history.lives.get(text(batch[index]?.frame));
      assert.ok(life);
      life.position = outcome.position;
    }
  }
}

/** What a handler comes to; undefined when its receiver leaves instead. */
function randomOutcome(random: Random, life: Life): Outcome | undefined {
  const calm = life.offers > 6 || life.sent.guarantee === "at-most-once";
  const chance = random.float();
  if (chance < 0.04) return undefined;
  if (calm || chance < 0.7) return chance < 0.1 ? { kind: "failed", error: planted } : done;
  if (chance < 0.82) return retry();
  return chance < 0.94 ? release : dead();
}

async function work(
  trial: Trial,
  broker: Broker,
  queue: string,
  random: Random,
  history: History,
): Promise<void> {
  while (!trial.signal.aborted) {
    const receiver = trial.receive(queue, { credit: 1 + (random.uint32() % 10), broker });
    for (let leaves = false; !leaves; ) {
      const delivery = await receiver.next();
      const life = history.life(delivery);
      history.offered(delivery);
      const outcome = randomOutcome(random, life);
      if (outcome === undefined) {
        leaves = true;
        continue;
      }
      const final = outcome.kind !== "retry" && outcome.kind !== "release";
      if (final) history.finish(life, outcome.kind);
      assert.deepEqual(await settle(broker, delivery, outcome), { kind: "settled" });
    }
    await receiver.stop();
  }
}

function assertKeyOrder({ finished }: History): void {
  const last = new Map<string, number>();
  for (const { sent, position } of finished) {
    if (sent.key === undefined || sent.guarantee === "at-most-once") continue;
    const key = `${sent.key} in lane ${sent.lane}`;
    assert.ok(position > (last.get(key) ?? 0), `${key}: ${position} after ${last.get(key)}`);
    last.set(key, position);
  }
}

async function runSeed(trial: Trial, seed: number): Promise<void> {
  const queue = await trial.queue();
  const clients = [trial.broker, await trial.connect(), await trial.connect()];
  const history = new History();
  const failures: unknown[] = [];
  const randomFor = (index: number) => new SeededRandom(1_000 * seed + index);
  for (const [index, client] of clients.entries()) {
    for (let worker = 0; worker < workersPerClient; worker++) {
      const random = randomFor(100 + 10 * index + worker);
      work(trial, client, queue, random, history).catch((error: unknown) => failures.push(error));
    }
  }
  const sending = Array.from({ length: senders }, (_, index) => {
    const client = clients[index % clients.length] ?? trial.broker;
    return send(trial, client, queue, `sender ${index}`, randomFor(index), history);
  });
  await trial.within("everything is sent", Promise.all(sending));
  await trial.eventually("nothing waits", async () => {
    assert.deepEqual(failures, []);
    const [mailbox] = await trial.broker.queues.mailboxes();
    return mailbox?.waiting === 0 ? true : undefined;
  });
  const lives = [...history.lives.values()];
  const unfinished = lives.filter(
    ({ sent, final }) => final === undefined && sent.guarantee !== "at-most-once",
  );
  assert.deepEqual(unfinished, [], "everything else came to an end");
  const buried = lives.filter(({ final }) => final === "dead").length;
  const letters = await collect(trial.broker.queues.deadLetters({}, trial.signal));
  assert.equal(letters.length, buried);
  assertKeyOrder(history);
}

export const stressCases: readonly ConformanceCase[] = [1, 2, 3].map((seed) =>
  conformanceCase(`the history of many at once adds up (seed ${seed})`, (trial) =>
    runSeed(trial, seed),
  ),
);
