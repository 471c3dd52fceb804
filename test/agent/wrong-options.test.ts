/**
 * Every option of every public call, given what it cannot be: the answer is always an error that names
 * the option. The tables have a kind for each option; the compiler sees to it that none is missing.
 */
import {
  type ActivityOptions,
  type Agent,
  type AgentOptions,
  type AgentQuery,
  type AnswerOptions,
  type AskOptions,
  type AttachOptions,
  type BatchHandlerOptions,
  type BatchOptions,
  type BreakerOptions,
  type BrowseOptions,
  type CausalityLimits,
  type CompressionOptions,
  type Context,
  command,
  type DeadLetterRange,
  event,
  isColloquyError,
  type JoinOptions,
  join,
  type Network,
  protocol,
  type RateLimitOptions,
  type ReceiptCancelOptions,
  type ReplayOptions,
  type RequestOptions,
  type RetryPolicy,
  request,
  type SendOptions,
  type StreamOptions,
  type SubscribeOptions,
  stream,
  type WaitForOptions,
  type WaitOptions,
  type WindowOptions,
} from "colloquy";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AppendOptions, PutOptions, ReadOptions } from "../../src/exchange/state.ts";
import type { AutomaticReplayOptions } from "../../src/network/automatic-replay.ts";
import { type Fabric, openFabric } from "../support/fabric.ts";
import { fc } from "../support/properties.ts";

/** What an option may be; whatever is outside of it must be refused. */
const kinds = {
  flag: (value: unknown) => typeof value === "boolean",
  text: (value: unknown) => typeof value === "string",
  id: (value: unknown) => typeof value === "string" && value !== "",
  texts: (value: unknown) => Array.isArray(value),
  list: (value: unknown) => Array.isArray(value),
  above: (value: unknown) => typeof value === "number" && value > 0,
  whole: (value: unknown) => Number.isInteger(value) && (value as number) >= 0,
  number: (value: unknown) => typeof value === "number" && value >= 0,
  choice: (value: unknown) => typeof value === "string",
  date: (value: unknown) => typeof value === "number" || value instanceof Date,
  run: (value: unknown) => typeof value === "function",
  object: isObject,
  policy: (value: unknown) => typeof value === "boolean" || isObject(value),
  signal: (value: unknown) => value instanceof AbortSignal,
  none: (_value: unknown) => false,
  anything: (_value: unknown) => true,
} as const;

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type Kinds<Options> = { readonly [Name in keyof Required<Options>]: keyof typeof kinds };

const message = {
  priority: "none",
  headers: "object",
  conversationId: "id",
  workflowId: "id",
} as const;

const chained = { hops: "whole", budget: "whole", reentrant: "flag", signal: "signal" } as const;

const requestKinds = {
  ...message,
  ...chained,
  timeoutMs: "above",
  deadlineMs: "above",
  onTimeout: "none",
  onProgress: "run",
  onInput: "run",
  durable: "flag",
  strategy: "none",
  retry: "policy",
  idempotent: "flag",
  fallback: "list",
} as const satisfies Kinds<RequestOptions>;

const { durable: _, retry: __, idempotent: ___, fallback: ____, ...callKinds } = requestKinds;
const streamKinds = { ...callKinds, window: "whole" } as const satisfies Kinds<StreamOptions>;

const sendKinds: Kinds<SendOptions> = {
  ...message,
  ...chained,
  guarantee: "none",
  durability: "none",
  deliverAt: "date",
  ttlMs: "above",
  deadlineMs: "above",
  key: "id",
  fallback: "list",
  id: "id",
};

const attachKinds: Kinds<AttachOptions> = {
  timeoutMs: "above",
  onProgress: "run",
  onInput: "run",
  after: "whole",
  window: "whole",
  signal: "signal",
};

const retryKinds: Kinds<RetryPolicy> = {
  attemptsMax: "whole",
  baseMs: "number",
  capMs: "number",
  budget: "number",
};

const agentKinds: Kinds<AgentOptions> = {
  type: "id",
  capabilities: "texts",
  capacity: "whole",
  waitingMax: "number",
  weight: "above",
  rateLimit: "policy",
  sendWindow: "policy",
  signal: "signal",
};

const handlerKinds: Kinds<BatchHandlerOptions> = {
  retry: "object",
  resumable: "flag",
  batch: "policy",
};

const { batch: _____, ...serveKinds } = handlerKinds;

const joinKinds: Kinds<JoinOptions> = {
  url: "text",
  broker: "none",
  name: "text",
  space: "id",
  create: "flag",
  tls: "object",
  token: "text",
  copy: "flag",
  compression: "object",
  limits: "object",
  drainMs: "above",
  drainOnSignals: "flag",
  breaker: "policy",
  replayDead: "policy",
  onError: "run",
  clock: "none",
  random: "none",
  signal: "signal",
};

const wait: Kinds<WaitOptions> = { signal: "signal" };
const put: Kinds<PutOptions> = { ifRevision: "whole", ttlMs: "above", signal: "signal" };
const append: Kinds<AppendOptions> = { at: "whole", signal: "signal" };
const remove = { ifRevision: "whole", signal: "signal" } as const;
const ask: Kinds<AskOptions> = { timeoutMs: "above", signal: "signal" };

/** Calls `act` with one wrong option after the other; with no options at all, too. */
interface Case {
  readonly options: Readonly<Record<string, keyof typeof kinds>>;
  /** Before the option's name in the error. */
  readonly within?: string;
  readonly act: (options: never) => unknown;
}

const at = "agent:worker";
const Work = protocol("work", { ask: request(), tell: stream(), leave: command(), said: event() });

let fabric: Fabric;
let network: Network;
let agent: Agent;
let context: Context;
let callId = "";
let receiptId = "";

beforeAll(async () => {
  fabric = await openFabric(1);
  network = fabric.networks[0] as Network;
  agent = await fabric.until(network.agent("asker"));
  const worker = await fabric.until(network.agent("worker"));
  worker.handle("work", () => "done");
  worker.handle("keep", (_input, given) => {
    context = given;
    return new Promise(() => {});
  });
  await fabric.until(worker.ready());
  const call = agent.call(at, "keep");
  call.result.catch(() => {});
  callId = call.id;
  receiptId = (await fabric.until(agent.send(at, "work"))).id;
});
afterAll(() => fabric.close());

async function all(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of items) break;
}

const receipt = () => network.track(receiptId);
const member = { input: "none", output: "none" } as const;

const cases: Readonly<Record<string, Case>> = {
  "agent.request": { options: requestKinds, act: (it) => agent.request(at, "work", 1, it) },
  "agent.request elsewhere": {
    options: requestKinds,
    act: (it) => agent.request("type:nobody", "work", 1, it),
  },
  "agent.call": { options: callKinds, act: (it) => agent.call(at, "work", 1, it) },
  "agent.stream": { options: streamKinds, act: (it) => agent.stream(at, "work", 1, it) },
  "agent.attach": { options: attachKinds, act: (it) => agent.attach(callId, it) },
  "agent.send": { options: sendKinds, act: (it) => agent.send(at, "work", 1, it) },
  "agent.send to several": { options: sendKinds, act: (it) => agent.send([at], "work", 1, it) },
  "agent.publish": { options: message, act: (it) => agent.publish("news", 1, it) },
  "agent.subscribe": {
    options: { signal: "signal", onDropped: "run" } satisfies Kinds<SubscribeOptions>,
    act: (it) => agent.subscribe("news", () => {}, it),
  },
  "agent.cancel": { options: wait, act: (it) => agent.cancel(callId, it) },
  "agent.ready": { options: wait, act: (it) => agent.ready(it) },
  "agent.handle": { options: handlerKinds, act: (it) => agent.handle("more", () => 1, it) },
  "agent.handle, retry": {
    options: retryKinds,
    within: "retry.",
    act: (retry) => agent.handle("more", () => 1, { retry }),
  },
  "agent.handle, batch": {
    options: { sizeMax: "whole", waitMs: "number" } satisfies Kinds<BatchOptions>,
    within: "batch.",
    act: (batch) => agent.handle("more", (inputs) => [...inputs], { batch }),
  },
  "agent.serve": { options: serveKinds, act: (it) => agent.serve(Work, { ask: () => 1 }, it) },
  "agent.request, retry": {
    options: retryKinds,
    within: "retry.",
    act: (retry) => agent.request(at, "work", 1, { retry }),
  },
  "client.request": {
    options: { ...requestKinds, to: "text" },
    act: (it) => agent.client(Work).ask(1, it),
  },
  "client.stream": {
    options: { ...streamKinds, to: "text" },
    act: (it) => agent.client(Work).tell(1, it),
  },
  "client.send": {
    options: { ...sendKinds, to: "text" },
    act: (it) => agent.client(Work).leave(1, it),
  },
  "client.publish": { options: message, act: (it) => agent.client(Work).said(1, it) },
  "call.cancel": { options: wait, act: (it) => agent.call(at, "work").cancel(it) },
  "receipt.state": { options: wait, act: (it) => receipt().state(it) },
  "receipt.settled": { options: wait, act: (it) => receipt().settled(it) },
  "receipt.updates": { options: wait, act: (it) => all(receipt().updates(it)) },
  "receipt.cancel": {
    options: { reason: "text", signal: "signal" } satisfies Kinds<ReceiptCancelOptions>,
    act: (it) => receipt().cancel(it),
  },
  "receipt.rescind": {
    options: { reason: "text", signal: "signal" } satisfies Kinds<ReceiptCancelOptions>,
    act: (it) => receipt().rescind(it),
  },
  "receipt.answer": {
    options: { number: "whole", signal: "signal" } satisfies Kinds<AnswerOptions>,
    act: (it) => receipt().answer(1, it),
  },
  "context.request": { options: requestKinds, act: (it) => context.request(at, "work", 1, it) },
  "context.stream": { options: streamKinds, act: (it) => context.stream(at, "work", 1, it) },
  "context.send": { options: sendKinds, act: (it) => context.send(at, "work", 1, it) },
  "context.publish": { options: message, act: (it) => context.publish("news", 1, it) },
  "context.ask": { options: ask, act: (it) => context.ask("?", it) },
  "context.store.get": { options: wait, act: (it) => context.store.get("key", it) },
  "context.store.put": {
    options: { ifRevision: "whole", ttlMs: "above" },
    act: (it) => context.store.put("key", 1, it),
  },
  "context.store.delete": {
    options: { ifRevision: "whole" },
    act: (it) => context.store.delete("key", it),
  },
  "context.log.append": { options: { at: "whole" }, act: (it) => context.log.append("s", 1, it) },
  "net.agent": { options: agentKinds, act: (it) => network.agent("new", it) },
  "net.agent, rateLimit": {
    options: {
      messages: "number",
      perMs: "above",
      burst: "number",
      sendersMax: "whole",
    } satisfies Kinds<RateLimitOptions>,
    within: "rateLimit.",
    act: (rateLimit) => network.agent("new", { rateLimit }),
  },
  "net.agent, sendWindow": {
    options: { sendsMax: "whole", until: "none" } satisfies Kinds<WindowOptions>,
    within: "sendWindow.",
    act: (sendWindow) => network.agent("new", { sendWindow }),
  },
  "net.find": {
    options: { id: "text", type: "text", capability: "text" } satisfies Kinds<AgentQuery>,
    act: (it) => network.find(it),
  },
  "net.waitFor": {
    options: { count: "whole", signal: "signal" } satisfies Kinds<WaitForOptions>,
    act: (it) => network.waitFor({}, it),
  },
  "net.activity": {
    options: { timeoutMs: "above", signal: "signal" } satisfies Kinds<ActivityOptions>,
    act: (it) => network.activity(it),
  },
  "net.attach": { options: attachKinds, act: (it) => network.attach(callId, it) },
  "net.cancel": { options: wait, act: (it) => network.cancel(callId, it) },
  "net.store.get": { options: wait, act: (it) => network.store.get("key", it) },
  "net.store.put": { options: put, act: (it) => network.store.put("key", 1, it) },
  "net.store.delete": { options: remove, act: (it) => network.store.delete("key", it) },
  "net.store.list": { options: wait, act: (it) => all(network.store.list("", it)) },
  "net.log.append": { options: append, act: (it) => network.log.append("s", 1, it) },
  "net.log.read": {
    options: { follow: "flag", signal: "signal" } satisfies Kinds<ReadOptions>,
    act: (it) => all(network.log.read("s", 1, it)),
  },
  "net.dead.list": {
    options: {
      address: "text",
      after: "whole",
      limit: "whole",
      signal: "signal",
    } satisfies Kinds<DeadLetterRange>,
    act: (it) => all(network.dead.list(it)),
  },
  "net.dead.watch": {
    options: { address: "text", after: "whole", signal: "signal" },
    act: (it) => all(network.dead.watch(it)),
  },
  "net.dead.show": { options: wait, act: (it) => network.dead.show(1, it) },
  "net.dead.replay": {
    options: { payload: "anything", signal: "signal" } satisfies Kinds<ReplayOptions>,
    act: (it) => network.dead.replay(1, it),
  },
  "net.dead.purge": { options: wait, act: (it) => network.dead.purge(1, it) },
  "net.mailboxes.declare": { options: wait, act: (it) => network.mailboxes.declare(at, it) },
  "net.mailboxes.list": { options: wait, act: (it) => network.mailboxes.list(it) },
  "net.mailboxes.remove": { options: wait, act: (it) => network.mailboxes.remove(at, it) },
  "net.mailboxes.browse": {
    options: { after: "whole", limit: "whole", signal: "signal" } satisfies Kinds<BrowseOptions>,
    act: (it) => all(network.mailboxes.browse(at, it)),
  },
  join: { options: joinKinds, act: (it) => join("memory:", it) },
  "join without a URL": { options: joinKinds, act: (it) => join(it) },
  "join, compression": {
    options: { algorithm: "none", bytesMin: "number" } satisfies Kinds<CompressionOptions>,
    within: "compression.",
    act: (compression) => join("memory:", { compression }),
  },
  "join, limits": {
    options: { hopsMax: "whole", loopsMax: "whole" } satisfies Kinds<CausalityLimits>,
    within: "limits.",
    act: (limits) => join("memory:", { limits }),
  },
  "join, breaker": {
    options: {
      failuresMax: "whole",
      windowMs: "above",
      recoveryMs: "above",
      destinationsMax: "whole",
    } satisfies Kinds<BreakerOptions>,
    within: "breaker.",
    act: (breaker) => join("memory:", { breaker }),
  },
  "join, replayDead": {
    options: { afterMs: "above", timesMax: "whole" } satisfies Kinds<AutomaticReplayOptions>,
    within: "replayDead.",
    act: (replayDead) => join("memory:", { replayDead }),
  },
  request: { options: member, act: (it) => request(it) },
  stream: { options: { ...member, chunk: "none" }, act: (it) => stream(it) },
  command: { options: member, act: (it) => command(it) },
  event: { options: { data: "none" }, act: (it) => event(it) },
};

const bare: object = Object.create(null);
const odd = [
  "",
  "text",
  "5",
  0,
  5,
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  true,
  null,
  [],
  [5],
  {},
  bare,
  () => 5,
  Symbol("5"),
  5n,
  new Date(),
  new Map(),
];
const anything = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...odd) }, fc.anything());
const codes = ["INVALID_OPTION", "INVALID_ADDRESS", "MESSAGE_TOO_LARGE"];

/** What came of it; whatever was begun is left alone. */
async function outcomeOf(act: () => unknown): Promise<unknown> {
  try {
    const begun = act() as { readonly result?: Promise<unknown> } | undefined;
    begun?.result?.catch(() => {});
    await Promise.resolve(begun);
    return "accepted";
  } catch (error) {
    return error;
  }
}

function namesIt(error: unknown, field: string): boolean {
  if (!isColloquyError(error) || !codes.includes(error.code)) return false;
  const named = String(error.details["field"]);
  return named === field || ["[", "."].some((next) => named.startsWith(`${field}${next}`));
}

test.each(Object.entries(cases))("%s refuses wrong options by name", async (_name, given) => {
  const { options, within = "", act } = given;
  const wrong = fc.constantFrom(...Object.keys(options)).chain((name) => {
    const fits = kinds[options[name] as keyof typeof kinds];
    const value = anything.filter((it) => it !== undefined && !fits(it));
    return options[name] === "anything"
      ? fc.constant(undefined)
      : fc.record({ name: fc.constant(name), value });
  });
  const property = fc.asyncProperty(wrong, async (one) => {
    if (one === undefined) return;
    const outcome = await outcomeOf(() => act({ [one.name]: one.value } as never));
    if (namesIt(outcome, `${within}${one.name}`)) return;
    throw new Error(`${one.name}: ${String(outcome)}`, { cause: outcome });
  });
  await fc.assert(property, { numRuns: 25 * Object.keys(options).length });
  for (const nothing of [null, 5, "text", []]) {
    if (within !== "" || _name.startsWith("join without")) continue;
    expect(await outcomeOf(() => act(nothing as never)), `${nothing}`).toMatchObject({
      code: "INVALID_OPTION",
    });
  }
});

test.each(Object.entries(cases))("%s refuses options it does not know", async (_name, given) => {
  const { options, within = "", act } = given;
  for (const name of Object.keys(options)) {
    // Too short for a guess.
    if (name === "to") continue;
    const mistyped = `${name}x`;
    const outcome = await outcomeOf(() => act({ [mistyped]: "hunter2" } as never));
    if (!isColloquyError(outcome, "INVALID_OPTION")) throw new Error(`${mistyped}: ${outcome}`);
    const field = `${within}${mistyped}`;
    expect(outcome.details).toMatchObject({ field, nearest: `${within}${name}` });
    expect(outcome.message).toBe(
      `${field}: there is no such option: did you mean ${within}${name}?`,
    );
  }
  const far = await outcomeOf(() => act({ "an option of its own": "hunter2" } as never));
  expect(far).toMatchObject({
    code: "INVALID_OPTION",
    message: expect.stringContaining(Object.keys(options)[0] as string),
    details: { field: `${within}an option of its own` },
  });
  expect(JSON.stringify(far)).not.toContain("hunter2");
});

test.each([
  ["timeoutMS", () => agent.request(at, "work", 1, { timeoutMS: 5 } as never), "timeoutMs"],
  ["retry", () => join({ url: "memory:", retry: {} } as never), undefined],
  ["window", () => agent.request(at, "work", 1, { window: 5 } as never), undefined],
  ["retry", () => agent.stream(at, "work", 1, { retry: true } as never), undefined],
  ["batch", () => agent.serve(Work, {} as never, { batch: true } as never), undefined],
  ["to", () => agent.client(Work).said(1, { to: at } as never), undefined],
] as const)("%s is refused where it has no effect", async (field, act, meant) => {
  const outcome = await outcomeOf(act);
  const named = isColloquyError(outcome, "INVALID_OPTION") ? outcome.details : outcome;
  expect(named).toMatchObject({
    field,
    ...(meant === undefined ? {} : { nearest: meant }),
  });
});

test("an option that is not known and undefined is left out", async () => {
  const nothing = { timeoutMS: undefined } as never;
  expect(await fabric.until(agent.send(at, "work", 1, nothing))).toHaveProperty("id");
});

test.each([
  ["name", () => agent.request(at, 5 as never)],
  ["name", () => agent.stream(at, null as never)],
  ["name", () => agent.handle(null as never, () => 1)],
  ["handler", () => agent.handle("more", 5 as never)],
  ["handler", () => agent.subscribe("news", 5 as never)],
  ["contract", () => agent.serve(null as never, {} as never)],
  ["implementation", () => agent.serve(Work, null as never)],
  ["definitions", () => protocol("work", null as never)],
  ["to", () => agent.send(5 as never, "work")],
  ["to", () => agent.send([5] as never, "work")],
  ["to", () => context.send(null as never, "work")],
  ["to", () => agent.request(null as never, "work")],
  ["address", () => network.mailboxes.declare(5 as never)],
  ["name", () => agent.publish(5 as never)],
  ["id", () => network.dead.purge("5" as never)],
  ["id", () => network.dead.replay([1.5])],
  ["payload", () => network.dead.replay([1, 2], { payload: 1 })],
  ["id", () => network.track(5 as never)],
  ["id", () => network.attach(5 as never)],
  ["agent", () => network.agent(5 as never)],
])("an argument that cannot be %s is refused by name", async (field, act) => {
  const outcome = await outcomeOf(act);
  if (!namesIt(outcome, field)) throw new Error(`${field}: ${outcome}`, { cause: outcome });
});
