/** `colloquy top`: for machines, on a terminal, and what becomes of that terminal. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linesOf } from "../../src/cli/top/lines.ts";
import { frameOf, type Sample } from "../../src/cli/top/sample.ts";
import type { AgentActivity, AgentInfo, ProcessActivity } from "../../src/index.ts";
import { join, type Network } from "../../src/index.ts";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";
import { jsonLines, shell } from "./support/shell.ts";

const counters = {
  requests: 0,
  streams: 0,
  commands: 0,
  published: 0,
  received: 0,
  dropped: 0,
  started: 0,
  repeated: 0,
  late: 0,
  stale: 0,
};

function agent(id: string, instance: string): AgentInfo {
  return {
    id,
    instance,
    type: "agent",
    capabilities: [],
    capacity: 10,
    weight: 1,
    status: "active",
    startedMs: 0,
    load: 0,
    process: { name: "worker.ts", pid: 7, host: "here" },
  };
}

function activity(id: string, handled: number, failed: number): AgentActivity {
  return { id, load: 1, handled, failed, averageMs: 2.5, p50Ms: 2, p99Ms: 12.3 };
}

function sample(processes: readonly ProcessActivity[], more: Partial<Sample> = {}): Sample {
  return {
    atMs: 0,
    status: "ready",
    agents: [agent("a", "one"), agent("b", "two")],
    processes,
    mailboxes: [{ address: "type:worker", waiting: 1_200, offered: 3, receivers: 1 }],
    dead: 2,
    deadMore: false,
    ...more,
  };
}

describe("what two looks make of one another", () => {
  const before: ProcessActivity = {
    instance: "one",
    joinedForMs: 10_000,
    counters: { ...counters, requests: 100 },
    agents: [activity("a", 40, 2)],
  };
  const now: ProcessActivity = {
    instance: "one",
    joinedForMs: 12_000,
    counters: { ...counters, requests: 700 },
    agents: [activity("a", 90, 12)],
  };

  test("rates are by the clock of the process; one that is silent has none", () => {
    const frame = frameOf(sample([now]), sample([before]));
    expect(frame).toMatchObject({ processes: 2, silent: 1, rates: { requests: 300 } });
    expect(frame.agents).toMatchObject([
      { id: "a", load: 1, perSecond: 30, failedPerSecond: 5, handled: 90 },
      { id: "b", load: 0, perSecond: undefined, handled: 0 },
    ]);
    // A process that came in between has no rate yet.
    expect(frameOf(sample([now]), sample([])).agents[0]?.perSecond).toBeUndefined();
  });

  test("all lines fit the terminal, and the rest is counted", () => {
    const agents = Array.from({ length: 100 }, (_, index) => agent(`agent-${index}`, "one"));
    const mailboxes = agents.map(({ id }) => ({
      address: `agent:${id}`,
      waiting: 0,
      offered: 0,
      receivers: 0,
    }));
    const frame = frameOf(sample([now], { agents, mailboxes }), sample([before]));
    for (const [columns, rows] of [
      [40, 12],
      [80, 24],
      [200, 60],
    ] as const) {
      const lines = linesOf(frame, { columns, rows }, "no answer for 5 s");
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      expect(lines.join("\n")).toMatch(/… \d+ more/);
      expect(lines.join("\n")).toContain("MAILBOX");
    }
  });
});

describe("on a fabric", () => {
  let place = "";
  let url = "";
  let net: Network;
  const stop = new AbortController();
  let asking: Promise<void>;

  beforeAll(async () => {
    place = mkdtempSync(joinPath(tmpdir(), "colloquy-top-"));
    url = `embedded:${joinPath(place, "data")}`;
    net = await join(url, { name: "the office" });
    const greeter = await net.agent("greeter");
    greeter.handle("greet", () => "hello");
    await greeter.ready();
    asking = (async () => {
      while (!stop.signal.aborted) {
        await greeter.request("agent:greeter", "greet");
        await new Promise(setImmediate);
      }
    })();
  });

  afterAll(async () => {
    stop.abort();
    await asking;
    await net.close();
    rmSync(place, { recursive: true, force: true });
  });

  test("--once tells what happened between two looks", async () => {
    const args = ["top", "--once", "--every", "1s", "--url", url];
    const look = async () => jsonLines((await shell([...args, "--json"])).stdout)[0];
    const aboveZero = expect.toSatisfy((it) => (it as number) > 0);
    // Whoever stands still just then is silent, and has no rates.
    await expect.poll(look).toMatchObject({
      processes: 1,
      silent: 0,
      status: "ready",
      agents: [
        {
          id: "greeter",
          failed: 0,
          process: { name: "the office" },
          perSecond: aboveZero,
          p99Ms: aboveZero,
        },
      ],
      mailboxes: [{ address: "agent:greeter", waiting: 0, receivers: 1 }, {}],
      rates: { requests: aboveZero },
    });
    const { exitCode, stdout } = await shell(args);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /1 process {2}1 agent {2}2 mailboxes {2}0 dead\neach second: requests \d/,
    );
    expect(stdout).not.toContain("\u001b");
  });

  test("where nobody looks, one table follows another until it is ended", async () => {
    const ending = new AbortController();
    const { exitCode, stdout } = await shell(["top", "--every", "10ms", "--url", url], {
      signal: ending.signal,
      onOutput: (text) => {
        if (text.split("AGENT").length > 3) ending.abort(new Error("interrupted"));
      },
    });
    expect(exitCode).toBe(0);
    expect(stdout).not.toContain("\u001b");
  });

  test("a process that does not answer holds nothing up, however far apart the looks are", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const program = `
      import { join } from "colloquy";
      const net = await join(process.argv[1]);
      await net.agent("sleeper");
      console.log("here");
      setInterval(() => {}, 60_000);
    `;
    const evaluated = [...sourceFlags, "--input-type=module", "--eval", program, url];
    const sleeper = spawn(process.execPath, evaluated, { stdio: ["ignore", "pipe", "inherit"] });
    const ending = new AbortController();
    try {
      sleeper.stdout.on("data", () => resolve());
      await promise;
      sleeper.kill("SIGSTOP");
      const { exitCode } = await shell(["top", "--every", "1h", "--url", url], {
        columns: 80,
        signal: ending.signal,
        onOutput: (text) => text.includes("greeter") && ending.abort(new Error("interrupted")),
      });
      expect(exitCode).toBe(0);
    } finally {
      sleeper.kill("SIGKILL");
    }
  });

  // What a terminal is left like only a terminal can tell.
  const hasPython = spawnSync("python3", ["--version"]).status === 0;
  const onTerminal = hasPython ? test : test.skip;

  onTerminal.each([
    ["q", 0],
    ["\u0003", 0],
    ["SIGTERM", 0],
  ])("on a terminal it draws until %j, and gives the terminal back", async (keys, exitCode) => {
    const command = [process.execPath, ...sourceFlags, absolute("src/cli/main.ts")];
    const args = [...command, "top", "--every", "50ms", "--url", url];
    const python = absolute("test/cli/support/on-terminal.py");
    const { stdout } = await promisify(execFile)("python3", [python, "each second", keys, ...args]);
    const run = JSON.parse(stdout) as { output: string };
    expect(run).toMatchObject({ exitCode, raw: true, restored: true });
    expect(run.output).toContain("greeter");
    expect(run.output.startsWith("\u001b[?1049h\u001b[?25l")).toBe(true);
    expect(run.output.endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
  });
});
