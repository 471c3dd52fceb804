/** An agent in JavaScript for the tests of the Python client: what it does it is asked to do. */
import { setTimeout as sleep } from "node:timers/promises";
import { ColloquyError, isColloquyError, join, type SingleAddress } from "colloquy";

const [url = ""] = process.argv.slice(2);
const net = await join(url, { onError: () => {} });
const js = await net.agent("js", { type: "js", capabilities: ["greet.fr"] });

/** What this agent is asked to ask of another. */
type Order = {
  readonly to: SingleAddress;
  readonly name: string;
  readonly data?: unknown;
  readonly options?: {
    readonly window?: number;
    readonly timeoutMs?: number;
    readonly deadlineMs?: number;
  };
};

/** What became of a call, as data. */
async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await work };
  } catch (error) {
    if (!isColloquyError(error)) throw error;
    return { error: error.toJSON() };
  }
}

js.handle("greet", (name) => `Hello, ${name}!`);
js.handle("echo", (value) => value);
js.handle("fail", () => {
  throw new TypeError("no such thing");
});
js.handle("stall", async (topic, { signal, progress }) => {
  progress("begun");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  await js.publish(topic as string, "aborted");
});
js.handle(
  "quiet",
  (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", resolve)),
);
js.handle("remaining", (_, { remainingMs }) => remainingMs());
js.handle("slow", async (_, { progress }) => {
  for (let step = 1; step <= 3; step++) {
    await sleep(20);
    progress({ step });
  }
  return "done";
});
js.handle("story", async function* (words) {
  for (const word of words as string[]) yield word;
  return "the end";
});
js.handle("endless", async function* (topic) {
  try {
    for (let n = 1; ; n++) yield n;
  } finally {
    await js.publish(topic as string, "left");
  }
});
js.handle("unready", async function* () {
  yield 1;
  throw new ColloquyError("AGENT_UNREACHABLE", "not yet");
});
js.handle("drip", async function* (count) {
  for (let n = 1; n <= (count as number); n++) {
    await sleep(10);
    yield n;
  }
});
js.handle("hold", async (topic, { progress }) => {
  const released = Promise.withResolvers<unknown>();
  await js.subscribe(topic as string, released.resolve);
  progress("held");
  return released.promise;
});
js.handle("SAVE", (value, { message, attempt }) => ({ value, attempt, from: message.from.agent }));
js.handle(
  "REFUSE",
  () => {
    throw new Error("never");
  },
  { retry: { attemptsMax: 1 } },
);
js.handle("forward", ({ to, name, data }: Order, context) => context.request(to, name, data));

// From here on: what this agent does when it is asked to.
js.handle("ask", ({ to, name, data, options }: Order, { progress }) =>
  outcomeOf(js.request(to, name, data, { ...options, onProgress: progress })),
);
js.handle("ask and cancel", async ({ to, name, data }: Order) => {
  const giveUp = new AbortController();
  const options = { signal: giveUp.signal, onProgress: () => giveUp.abort() };
  return outcomeOf(js.request(to, name, data, options));
});
js.handle("read", async ({ to, name, data, options }: Order, { progress }) => {
  const stream = js.stream(to, name, data, options);
  const chunks: unknown[] = [];
  const work = async () => {
    for await (const chunk of stream) {
      chunks.push(chunk);
      progress(chunks.length);
    }
    return stream.result;
  };
  return { chunks, ...((await outcomeOf(work())) as object) };
});
js.handle("read some", async ({ to, name, data }: Order) => {
  for await (const chunk of js.stream(to, name, data, { window: 2 })) {
    return chunk;
  }
  return undefined;
});
js.handle("read and leave", async ({ to, name, data }: Order) => {
  const stream = js.stream(to, name, data, { window: 2, timeoutMs: 300, onTimeout: "leave" });
  const work = async () => {
    for await (const _ of stream);
    return stream.result;
  };
  return outcomeOf(work());
});
js.handle("cancel", (id) => net.cancel(id as string));
// Also where the machine is busy just then.
js.handle("activity", () => net.activity({ timeoutMs: 20_000 }));
js.handle("send", async ({ to, name, data, options }: Order) => {
  const receipt = await js.send(to, name, data, options);
  return outcomeOf(receipt.settled());
});
js.handle("publish", ({ topic, data }: { topic: string; data: unknown }) =>
  js.publish(topic, data),
);
const heard: unknown[] = [];
js.handle("hear", async (pattern) => {
  await js.subscribe(pattern as string, (data, { topic }) => {
    heard.push([topic, data]);
  });
});
js.handle("heard", () => heard);
js.handle("find", (query) => net.find(query as object).map(({ id }) => id));

await js.ready();
console.log("ready");
process.stdin.on("end", () => process.exit()).resume();
