/** What an option says is what happens: each as it reaches the message, the handler or the list. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ColloquyError, type Context, join, type Network } from "../../src/index.ts";
import { jsonLines, type ShellRun, shell } from "./support/shell.ts";

let place = "";
let url = "";
let net: Network;
let apart: Network;
const stop = new AbortController();

beforeAll(async () => {
  place = mkdtempSync(joinPath(tmpdir(), "colloquy-options-"));
  url = `embedded:${joinPath(place, "data")}`;
  net = await join(url, { onError: () => {} });
  const witness = await net.agent("witness");
  const seen = (_input: unknown, { message, remainingMs }: Context) => ({
    ...message,
    from: message.from.agent,
    withinMs: Number.isFinite(remainingMs()) ? Math.ceil(remainingMs() / 60_000) * 60_000 : null,
  });
  witness.handle("look", seen);
  witness.handle("chunks", async function* (_input, { message }) {
    yield message.credit ?? null;
  });
  await witness.ready();
  await net.mailboxes.declare("type:nobody");
  apart = await join(url, { space: "apart", onError: () => {} });
  await apart.agent("hermit");
});

afterAll(async () => {
  stop.abort();
  await apart.close();
  await net.close();
  rmSync(place, { recursive: true, force: true });
});

const run = (...args: readonly string[]): Promise<ShellRun> => shell([...args, "--url", url]);

async function json(...args: readonly string[]): Promise<readonly unknown[]> {
  return jsonLines((await run(...args, "--json")).stdout);
}

test("send: who, when, in which order, and until when", async () => {
  const options = ["--priority", "high", "--key", "k", "--ttl", "2m", "--as", "somebody"];
  const [outcome] = await json("send", "agent:witness", "look", "--wait", ...options);
  const result = { priority: "high", key: "k", ttlMs: 120_000, from: "somebody" };
  expect(outcome).toMatchObject({ state: "done", result });
  const refused = await run("send", "agent:witness", "look", "--durability", "replicated");
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^DURABILITY_UNAVAILABLE/);
});

test("request: who, until when, and as a command", async () => {
  const options = ["--deadline", "3m", "--as", "somebody"];
  for (const [more, kind] of [
    [[], "request"],
    [["--durable"], "command"],
  ] as const) {
    const [answer] = await json("request", "agent:witness", "look", ...options, ...more);
    expect(answer).toMatchObject({ kind, withinMs: 180_000, from: "somebody" });
  }
});

test("request: how often it is asked again, and after what", async () => {
  const shaky = await net.agent("shaky");
  let asked = 0;
  shaky.handle("refuse", (times) => {
    if (++asked <= (times as number)) throw new ColloquyError("RATE_LIMITED", "later");
    return asked;
  });
  expect(await json("request", "agent:shaky", "refuse", "2", "--retry", "2")).toEqual([3]);
  asked = 0;
  const given = await run("request", "agent:shaky", "refuse", "2", "--retry", "1");
  expect([given.exitCode, asked]).toEqual([1, 2]);

  let heard = 0;
  shaky.handle("ignore", (_input, { signal }) => {
    if (++heard % 2 === 0) return heard;
    return new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  const silent = ["request", "agent:shaky", "ignore", "--timeout", "500ms", "--retry", "1"];
  expect(await run(...silent)).toMatchObject({ exitCode: 3 });
  expect(heard).toBe(1);
  heard = 0;
  expect(await run(...silent, "--idempotent")).toMatchObject({ exitCode: 0, stdout: "2\n" });
  await shaky.close();
});

test("request: whom of a pool it goes to", async () => {
  const pool = { type: "pool", capacity: 10 };
  const busy = await net.agent("busy", { ...pool, weight: 100 });
  const free = await net.agent("free", { ...pool, weight: 1 });
  for (const agent of [busy, free]) agent.handle("who", () => agent.id);
  busy.handle("linger", (_input, { signal }) => {
    return new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  const asker = await net.agent("asker");
  const lingering = [1, 2, 3].map(() =>
    asker.request("agent:busy", "linger", undefined, { signal: stop.signal }).catch(() => {}),
  );
  await expect.poll(() => json("agents", "--id", "busy")).toMatchObject([{ load: 3 }]);
  for (const [strategy, id] of [
    ["least-busy", "free"],
    ["weighted", "busy"],
  ] as const) {
    expect(await json("request", "type:pool", "who", "--strategy", strategy)).toEqual([id]);
  }
  stop.abort();
  await Promise.all(lingering);
});

test("stream: how far the handler may run ahead", async () => {
  const chunks = await json("stream", "agent:witness", "chunks", "--window", "7");
  expect(chunks[0]).toEqual({ chunk: 7 });
});

test("lists go on behind what was seen, and end where they are told to", async () => {
  for (const job of [1, 2, 3]) await run("send", "type:nobody", "RUN", String(job));
  const browse = ["queues", "browse", "type:nobody"];
  const all = (await json(...browse)) as { position: number }[];
  const rest = await json(...browse, "--after", String(all[0]?.position), "--limit", "1");
  expect(rest).toMatchObject([{ payload: 2 }]);

  const failing = await net.agent("failing");
  const once = { retry: { attemptsMax: 1 } };
  const fail = () => {
    throw new Error("no");
  };
  failing.handle("fail", fail, once);
  await failing.ready();
  for (const n of [1, 2]) await run("send", "agent:failing", "fail", String(n), "--wait");
  const [first] = (await json("dead", "list", "--limit", "1")) as [{ id: number }];
  expect(first).toMatchObject({ payload: 1 });
  const later = await json("dead", "list", "--after", String(first.id));
  expect(later).toMatchObject([{ payload: 2 }]);
});

test("spaces are looked into one at a time", async () => {
  expect(await json("agents", "--space", "apart")).toMatchObject([{ id: "hermit" }]);
  const ids = (await json("agents")).map((agent) => (agent as { id: string }).id);
  expect(ids).not.toContain("hermit");
});
