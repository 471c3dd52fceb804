/** Owners and others are killed, at random moments and at each point where it matters; then books are kept. */
import { afterEach, expect, test } from "vitest";
import { openEmbedded } from "../../src/hub/embedded.ts";
import type { ProbePoint } from "../../src/hub/probe.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { type Actor, Stage } from "./support/actors.ts";
import { reckon } from "./support/reckoning.ts";

const timeoutMs = 180_000;
let stage = new Stage();

afterEach(async () => {
  await stage.leave();
});

const points: readonly ProbePoint[] = ["enqueued", "acknowledged", "settled"];

for (const point of points) {
  test(`G2, G3: an owner that dies when messages are ${point} loses nothing and does nothing twice`, {
    timeout: timeoutMs,
  }, async () => {
    stage = new Stage({ fated: true });
    const owner = await stage.enter();
    const others = [await stage.enter(), await stage.enter()] as const;
    await begin(others);
    await acknowledgements(30);
    stage.decree(point);
    await owner.gone();
    await finish(others);
  });
}

for (const point of ["opened", "listening"] as const) {
  test(`G2, G3: a successor that dies in its takeover, when it is ${point}, has a successor`, {
    timeout: timeoutMs,
  }, async () => {
    stage = new Stage({ fated: true });
    const owner = await stage.enter();
    const others = [await stage.enter(), await stage.enter(), await stage.enter()] as const;
    await begin(others);
    await acknowledgements(30);
    stage.decree(point);
    await owner.kill();
    await Promise.race(others.map((actor) => actor.gone()));
    const left = others.filter((actor) => actor.alive);
    expect(left).toHaveLength(2);
    for (const actor of left) await resume(actor);
    await finish(left);
  });
}

test("G2, G3: a handler that dies before it settles is started again elsewhere, and its effect is there once", {
  timeout: timeoutMs,
}, async () => {
  stage = new Stage();
  const producer = await stage.enter();
  const doomed = await stage.enter();
  await declared();
  doomed.tell({ kind: "consume", queue: "work", ledger: "ledger", manner: "die" });
  producer.tell({ kind: "enqueue", queue: "work", id: "one" });
  await producer.until("enqueued");
  await doomed.gone();
  const heir = await stage.enter();
  heir.tell({ kind: "consume", queue: "work", ledger: "ledger", manner: "settle" });
  const broker = await openEmbedded(stage.directory);
  const reckoning = await reckon(stage, broker, "work", "ledger");
  expect(reckoning).toEqual({ acknowledged: 1, effects: 1, repeatedStarts: 1 });
  await broker.close();
});

test("G2, G3: whoever is killed whenever: what was acknowledged has its effect once", {
  timeout: timeoutMs,
}, async () => {
  stage = new Stage();
  const random = new SeededRandom(20_261_120);
  await declared();
  const actors: Actor[] = [];
  for (let count = 0; count < 4; count++) actors.push(await enterWorking());
  for (let kill = 0; kill < 10; kill++) {
    await acknowledgements(stage.journaled("acknowledged").length + (random.uint32() % 60));
    // Every other time the owner, so that takeovers are what most of this is about.
    const owner = stage.owner;
    const any = actors[random.uint32() % actors.length] as Actor;
    const victim = kill % 2 === 0 && owner !== undefined ? owner : any;
    await victim.kill();
    actors.splice(actors.indexOf(victim), 1, await enterWorking());
  }
  await finish(actors);
});

async function declared(): Promise<void> {
  const broker = await openEmbedded(stage.directory);
  await broker.queues.declare(["work"]);
  await broker.close();
}

async function enterWorking(): Promise<Actor> {
  const actor = await stage.enter();
  await resume(actor);
  return actor;
}

/** The first produces and the others consume. */
async function begin(actors: readonly Actor[]): Promise<void> {
  const broker = await openEmbedded(stage.directory);
  await broker.queues.declare(["work"]);
  await broker.close();
  for (const actor of actors) await resume(actor);
}

let producers = 0;

async function resume(actor: Actor): Promise<void> {
  actor.tell({ kind: "produce", queue: "work", inFlight: 8, prefix: `p${++producers}` });
  actor.tell({ kind: "consume", queue: "work", ledger: "ledger", manner: "settle" });
}

/** Everybody stops sending, everything is handled, and the books are kept. */
async function finish(actors: readonly Actor[]): Promise<void> {
  await acknowledgements(stage.journaled("acknowledged").length + 30);
  for (const actor of actors) actor.tell({ kind: "stop" });
  for (const actor of actors) await actor.until("stopped");
  const broker = await openEmbedded(stage.directory);
  const reckoning = await reckon(stage, broker, "work", "ledger");
  await broker.close();
  console.log(expect.getState().currentTestName, JSON.stringify(reckoning));
}

async function acknowledgements(count: number): Promise<void> {
  while (stage.journaled("acknowledged").length < count) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
