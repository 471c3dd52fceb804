/** The commands, against agents of another process's network that shares a store on disk. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processText } from "../../src/cli/commands/agents.ts";
import { type Agent, join, type Network } from "../../src/index.ts";
import { jsonLines, type ShellOptions, shell } from "./support/shell.ts";

let place = "";
let url = "";
let net: Network;
const busy = Promise.withResolvers<void>();

beforeAll(async () => {
  place = mkdtempSync(joinPath(tmpdir(), "colloquy-cli-"));
  url = `embedded:${joinPath(place, "data")}`;
  net = await join(url, { name: "the office", onError: () => {} });
  const greeter = await net.agent("greeter", {
    type: "host",
    capabilities: ["greet"],
    capacity: 4,
  });
  greeter.handle("greet", (name, { progress }) => {
    progress("looking up");
    return `Hello, ${name}!`;
  });
  greeter.handle("profile", (input) => ({ input, bytes: Uint8Array.of(1, 2) }));
  greeter.handle("introduce", async (_input, { ask }) => ({ name: await ask("who are you?") }));
  greeter.handle("tell", async function* (words) {
    yield* words as string[];
    return "the end";
  });
  greeter.handle(
    "refuse",
    () => {
      throw new Error("never\u001b[31m");
    },
    { retry: { attemptsMax: 1 } },
  );
  greeter.handle("linger", () => busy.promise);
  await greeter.ready();
  await net.mailboxes.declare("type:nobody");
});

afterAll(async () => {
  busy.resolve();
  await net.close();
  rmSync(place, { recursive: true, force: true });
});

const run = (args: readonly string[], options?: ShellOptions) =>
  shell([...args, "--url", url], options);

async function json(args: readonly string[], options?: ShellOptions): Promise<readonly unknown[]> {
  return jsonLines((await run([...args, "--json"], options)).stdout);
}

describe("agents", () => {
  test("shows who is there, what they can do, and where they run", async () => {
    const { exitCode, stdout } = await run(["agents"]);
    expect(exitCode).toBe(0);
    const [titles, row] = stdout.split("\n");
    expect(titles).toMatch(/^AGENT {2,}TYPE {2,}STATUS {2,}LOAD {2,}PROCESS {2,}CAN$/);
    expect(row).toMatch(
      new RegExp(`^greeter +host +active +0/4 +the office ${process.pid} on \\S+ +greet$`),
    );
    expect(await json(["agents", "--type", "host"])).toMatchObject([
      { id: "greeter", load: 0, capacity: 4, process: { name: "the office", pid: process.pid } },
    ]);
    expect(await json(["agents", "--can", "fly"])).toEqual([]);
  });

  test("--watch tells who comes, changes and leaves, and Ctrl-C is its proper end", async () => {
    const stop = new AbortController();
    let came: Promise<Agent> | undefined;
    let left: Promise<void> | undefined;
    const { exitCode, stdout } = await run(["agents", "--watch"], {
      signal: stop.signal,
      onOutput: (text) => {
        if (text.includes("+ greeter")) came ??= net.agent("guest");
        if (text.includes("+ guest")) left ??= came?.then((guest) => guest.close());
        if (text.includes("- guest")) stop.abort();
      },
    });
    await left;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/\+ guest {2}agent/);
  });
});

describe("request", () => {
  test("prints the answer, and what the handler reports beside it", async () => {
    const run1 = await run(["request", "agent:greeter", "greet", '"world"']);
    expect(run1).toEqual({ exitCode: 0, stdout: "Hello, world!\n", stderr: "… looking up\n" });
    writeFileSync(joinPath(place, "input.json"), '{"a": 1}');
    const file = `@${joinPath(place, "input.json")}`;
    const answer = { input: { a: 1 }, bytes: { base64: "AQI=" } };
    expect(await json(["request", "skill:greet", "profile", file])).toEqual([answer]);
    expect(await json(["request", "type:host", "profile", "-"], { input: '{"a": 1}' })).toEqual([
      answer,
    ]);
    expect(await json(["request", "type:host", "greet", "7", "--durable"])).toEqual(["Hello, 7!"]);
  });

  test("lets the person at the terminal answer what the handler asks", async () => {
    const args = ["request", "agent:greeter", "introduce"];
    const asked = await run(args, { input: "Ada\n", person: true });
    expect(asked).toMatchObject({ exitCode: 0, stdout: '{"name":"Ada"}\n' });
    expect(asked.stderr).toContain("who are you?");
    expect(await run(args)).toMatchObject({ exitCode: 1, stdout: "" });
  });

  test("asks nobody at the terminal from which its input has come", async () => {
    const typed = { input: "null", person: true, inputEnds: true };
    for (const command of ["request", "stream"]) {
      const asked = await run([command, "agent:greeter", "introduce", "-"], typed);
      expect(asked, command).toMatchObject({ exitCode: 1, stdout: "" });
      expect(asked.stderr, command).not.toContain("who are you?");
    }
    const stop = new AbortController();
    const sent = await run(["send", "agent:greeter", "introduce", "-", "--wait"], {
      ...typed,
      signal: stop.signal,
      // It would be asked behind this, at once.
      onError: (text) => text.includes("… waiting-input") && setTimeout(() => stop.abort(), 200),
    });
    expect(sent.exitCode).toBe(1);
    expect(sent.stderr).toContain("… waiting-input: who are you?\n");
    expect(sent.stderr).not.toContain("who are you?\n> ");
    for await (const { receiptId = "" } of net.mailboxes.browse("agent:greeter")) {
      await net.track(receiptId).cancel();
    }
  });

  test("says how it failed by its exit code", async () => {
    const failed = await run(["request", "agent:greeter", "refuse", "--json"]);
    expect(failed).toMatchObject({ exitCode: 1, stdout: "" });
    expect(JSON.parse(failed.stderr)).toMatchObject({ error: { code: "HANDLER_FAILED" } });
    const late = await run(["request", "agent:greeter", "linger", "--timeout", "20ms"]);
    expect(late).toMatchObject({ exitCode: 3 });
    expect(late.stderr).toMatch(/^TIMEOUT: /);
    const stop = new AbortController();
    const ended = run(["request", "agent:greeter", "linger"], { signal: stop.signal });
    while (net.find({ id: "greeter" })[0]?.load === 0) await new Promise(setImmediate);
    stop.abort(new Error("interrupted"));
    expect(await ended).toMatchObject({
      exitCode: 1,
      stderr: "CANCELLED: cancelled: interrupted\n",
    });
  });

  test("refuses what is not JSON, and says where", async () => {
    const wrong = await run(["request", "agent:greeter", "greet", '{"a": [1,\n 2,, 3]}']);
    expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
    expect(wrong.stderr).toMatch(/not JSON: Unexpected token ','/);
    const bare = await run(["request", "agent:greeter", "greet", "world"]);
    expect(bare.stderr).toContain(`a text needs quotes: '"world"'`);
    expect(await run(["request", "greeter", "greet"])).toMatchObject({ exitCode: 2 });
    expect(await run(["request", "agent:greeter", "greet", "@/no/such"])).toMatchObject({
      exitCode: 2,
    });
  });
});

test("a process is shown with its number, unless it has none", () => {
  const process = { name: "greeter.js", pid: 7, host: "here" };
  expect(processText(process)).toBe("greeter.js 7 on here");
  expect(processText({ ...process, name: "greeter 7" })).toBe("greeter 7 on here");
  expect(processText({ name: "page", pid: 0, host: "desk:80" })).toBe("page on desk:80");
});

test("a terminal that does not know its size is told everything", async () => {
  const { stdout } = await run(["agents"], { columns: 0 });
  expect(stdout).toMatch(/greeter .* host .* greet$/m);
});

test("stream prints chunks as they come, and the last value", async () => {
  const args = ["stream", "agent:greeter", "tell", '["once", "upon"]'];
  expect((await run(args)).stdout).toBe("once\nupon\nthe end\n");
  expect((await run([...args, "--raw"])).stdout).toBe("onceupon\nthe end\n");
  expect(await json(args)).toEqual([{ chunk: "once" }, { chunk: "upon" }, { result: "the end" }]);
});

describe("attach and cancel", () => {
  test("a request that was left is found again by the id that its failure told", async () => {
    const done = Promise.withResolvers<string>();
    const slow = await net.agent("slow");
    slow.handle("think", () => done.promise);
    const args = ["request", "agent:slow", "think", "--timeout", "200ms", "--leave"];
    const left = await run(args);
    expect(left).toMatchObject({ exitCode: 3, stdout: "" });
    const [, id = ""] = /^it goes on: colloquy attach (\S+)$/m.exec(left.stderr) ?? [];
    const again = await run(["attach", id, "--timeout", "100ms"]);
    expect(again).toMatchObject({ exitCode: 3, stdout: "" });
    done.resolve("42");
    expect(await run(["attach", id])).toMatchObject({ exitCode: 0, stdout: "42\n" });
    expect(await json(["attach", id])).toEqual([{ result: "42" }]);
    expect(await run(["cancel", id])).toMatchObject({ exitCode: 1, stdout: "too-late\n" });
    await slow.close();
  });

  test("a stream of somebody else is taken over behind a chunk, and given up", async () => {
    const writer = await net.agent("writer");
    const taken = Promise.withResolvers<void>();
    writer.handle("tell", async function* (_input, { signal }) {
      yield "once";
      await taken.promise;
      yield "upon";
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    });
    const reply = writer.stream("agent:writer", "tell");
    const chunks = reply[Symbol.asyncIterator]();
    expect(await chunks.next()).toMatchObject({ value: "once" });
    reply.result.catch(() => taken.resolve());
    const stop = new AbortController();
    const attached = await run(["attach", reply.id, "--after", "1"], {
      signal: stop.signal,
      onOutput: () => stop.abort(new Error("interrupted")),
    });
    expect(attached).toMatchObject({ exitCode: 1, stdout: "upon\n" });
    expect(await json(["cancel", reply.id])).toEqual([{ id: reply.id, outcome: "accepted" }]);
    await writer.close();
  });

  test("what is no id is wrong usage", async () => {
    expect(await run(["attach", "nonsense"])).toMatchObject({ exitCode: 2 });
    expect(await run(["cancel", "nonsense"])).toMatchObject({ exitCode: 2 });
  });
});

describe("send, track, dead and queues", () => {
  test("a command is sent, waited for and tracked", async () => {
    const sent = await run(["send", "agent:greeter", "greet", '"you"', "--wait"]);
    expect(sent).toMatchObject({ exitCode: 0, stdout: "done\nHello, you!\n" });
    const exactly = ["send", "agent:greeter", "greet", "--guarantee", "exactly-once", "--id", "g"];
    const [receipt] = (await json(exactly)) as [{ id: string }];
    expect(receipt).toMatchObject({ messageId: "g", duplicate: false, durability: "os" });
    expect(await json(exactly)).toMatchObject([{ id: receipt.id, duplicate: true }]);
    const followed = await run(["track", receipt.id, "--follow"]);
    expect(followed.exitCode).toBe(0);
    expect(followed.stdout).toMatch(/done\nHello, undefined!\n$/);
    expect(await run(["track", "nonsense"])).toMatchObject({ exitCode: 2 });
    const many = await run(["send", "all:host", "greet", "1", "--wait"]);
    expect(many).toMatchObject({ exitCode: 0, stdout: "done\nHello, 1!\n" });
  });

  test("what waits can be seen, timed out on, and taken back", async () => {
    const send = ["send", "type:nobody", "RUN", '{"job": 7}'];
    const [first] = (await json(send)) as [{ id: string }];
    await run([...send, "--deliver-at", "1h", "--priority", "low", "--key", "k"]);
    expect(await json(["queues"])).toContainEqual({
      address: "type:nobody",
      waiting: 2,
      offered: 0,
      receivers: 0,
      delayed: 1,
      dead: 0,
      delayedMore: false,
      deadMore: false,
    });
    const browsed = await json(["queues", "browse", "type:nobody"]);
    expect(browsed).toMatchObject([
      { state: "queued", receiptId: first.id, payload: { job: 7 }, message: { name: "RUN" } },
      { state: "scheduled" },
    ]);
    expect((await run(["queues", "browse", "type:nobody", "--limit", "1"])).stdout).toContain(
      '{"job":7}',
    );
    const stop = new AbortController();
    const left = await run([...send, "--wait"], {
      signal: stop.signal,
      onError: (text) => text.includes("… queued") && stop.abort(new Error("interrupted")),
    });
    expect(left).toMatchObject({ exitCode: 1, stdout: "" });
    expect((await run([...send, "--wait", "--timeout", "100ms"])).exitCode).toBe(3);
    expect(await run(["track", first.id])).toMatchObject({ exitCode: 0, stdout: "queued\n" });
    const taken = await run(["track", first.id, "--rescind", "--reason", "a typo"]);
    expect(taken).toMatchObject({ exitCode: 0, stdout: "rescinded\n" });
    expect(await run(["track", first.id, "--cancel"])).toMatchObject({
      exitCode: 1,
      stdout: "too-late\n",
    });
    const final = await run(["track", first.id]);
    expect(final).toMatchObject({ exitCode: 1 });
    expect(final.stdout).toContain("RESCINDED: a typo");

    const full = await run(["queues", "remove", "type:nobody"]);
    expect(full).toMatchObject({ exitCode: 1 });
    expect(full.stderr).toContain("CONFLICT: messages wait in type:nobody");
    expect((await run(["queues", "remove", "type:nobody", "--force"])).exitCode).toBe(0);
    expect((await run(["queues", "browse", "type:nobody"])).stderr).toContain("NOT_FOUND");
    await run(["queues", "declare", "type:nobody", "agent:new"]);
    expect((await run(["queues"])).stdout).toMatch(/agent:new .*0\n/);
  });

  test("what was given up is listed, shown, put back and deleted", async () => {
    const dying = ["send", "agent:greeter", "refuse", '{"n": 1}', "--wait"];
    const [died] = (await json(dying)) as [{ id: string; state: string }];
    expect(died.state).toBe("dead");
    const [letter] = (await json(["dead", "list"])) as [{ id: number }];
    expect(letter).toMatchObject({ address: "agent:greeter", payload: { n: 1 } });
    const listed = await run(["dead", "list", "--address", "agent:greeter"]);
    // What others have written cannot steer the terminal.
    expect(listed.stdout).toContain("HANDLER_FAILED: never\\u001b[31m");
    const shown = await run(["dead", "show", String(letter.id)]);
    expect(shown.stdout).toMatch(/1\. \d{4}-\S+ {2}greeter {2}HANDLER_FAILED/);
    const tracked = await run(["track", died.id]);
    expect(tracked.exitCode).toBe(1);
    expect(tracked.stdout).toMatch(/^dead\n.*\n {2}attempt 1, \d{4}-\S+, greeter: HANDLER_FAILED/);

    expect(await run(["dead", "replay", String(letter.id), "4711"])).toMatchObject({
      exitCode: 1,
      stdout: "replayed 1\n",
    });
    let letters: readonly unknown[] = [];
    while (letters.length === 0) letters = await json(["dead", "list"]);
    expect(await run(["dead", "purge"])).toMatchObject({ exitCode: 2 });
    expect(await run(["dead", "purge", "--all"])).toMatchObject({
      exitCode: 0,
      stdout: "purged 1\n",
    });
    expect(await run(["dead", "list"])).toMatchObject({ stdout: "", stderr: "no dead letters\n" });
  });
});

test("what is published is heard, until enough has come or the time is up", async () => {
  const heard = run(["subscribe", "news.*", "--count", "2", "--json"], {
    onError: (text) => {
      if (!text.includes("listening")) return;
      void run(["publish", "news.all", '{"n": 1}']).then(() => run(["publish", "news.none"]));
    },
  });
  const { exitCode, stdout } = await heard;
  expect(exitCode).toBe(0);
  expect(jsonLines(stdout)).toMatchObject([
    { topic: "news.all", data: { n: 1 } },
    { topic: "news.none", data: null },
  ]);
  expect(await run(["subscribe", ">", "--count", "1", "--timeout", "30ms"])).toMatchObject({
    exitCode: 3,
  });
});

test("bench measures, and leaves nothing behind", async () => {
  for (const where of [url, "memory:"]) {
    const bench = ["bench", "--for", "30ms", "--in-flight", "4", "--url", where];
    const rows = jsonLines((await shell([...bench, "--json"])).stdout) as { perSecond: number }[];
    expect(rows).toMatchObject([
      { what: "request", inFlight: 1 },
      { what: "request", inFlight: 4 },
      { what: "publish", inFlight: 4 },
      { what: "send", inFlight: 1 },
      { what: "send", inFlight: 4 },
    ]);
    for (const { perSecond } of rows) expect(perSecond).toBeGreaterThan(0);
  }
  const left = (await net.mailboxes.list()).filter(({ address }) => address.includes("bench"));
  expect(left).toEqual([]);
});

describe("a store", () => {
  test("is looked at when nobody runs, and left as it was", async () => {
    const closed = `embedded:${joinPath(place, "closed")}`;
    const once = await join(closed);
    await once.mailboxes.declare("agent:away");
    await once.close();
    const looked = await shell(["queues", "--url", closed, "--json"]);
    expect(jsonLines(looked.stdout)).toMatchObject([{ address: "agent:away" }]);
    expect(await shell(["agents", "--url", closed])).toMatchObject({ stderr: "no agents\n" });
  });

  test("is never made by looking", async () => {
    for (const name of ["missing", "empty"]) {
      const directory = joinPath(place, name);
      if (name === "empty") mkdirSync(directory);
      const { exitCode, stderr } = await shell(["queues", "--url", `embedded:${directory}`]);
      expect(exitCode).toBe(1);
      expect(stderr).toBe(`NOT_FOUND: ${directory} holds no store\n`);
      expect(existsSync(joinPath(directory, "store.sqlite"))).toBe(false);
    }
    expect(existsSync(joinPath(place, "missing"))).toBe(false);
  });
});
