/** `colloquy export`, run as a user runs it. */
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { join } from "../../src/index.ts";
import { absolute, read } from "../support/repository.ts";
import { type NodeRun, runNode } from "../support/run-node.ts";

const timeout = 60_000;

let place = "";
let data = "";

/** A store with a waiting message, a scheduled one, a dead letter, an entry and a log entry. */
beforeAll(async () => {
  place = mkdtempSync(joinPath(tmpdir(), "colloquy-export-"));
  data = joinPath(place, "data");
  const net = await join(`embedded:${data}`);
  const shop = await net.agent("shop");
  const mailer = await net.agent("mailer", { type: "mailer" });
  mailer.handle(
    "SEND",
    () => {
      throw new Error("no such address");
    },
    { retry: { attemptsMax: 1 } },
  );
  await mailer.ready();
  const dead = await shop.send("type:mailer", "SEND", { to: "nobody" });
  expect((await dead.settled()).state).toBe("dead");
  await net.mailboxes.declare("agent:printer");
  await shop.send("agent:printer", "PRINT", { page: 1, picture: Uint8Array.of(1, 2, 3) });
  await shop.send("agent:printer", "PRINT", { page: 2 }, { deliverAt: new Date(4e12), key: "k" });
  await net.store.put("balance", 500);
  await net.log.append("deposits", { cents: 500 });
  await net.close();
}, timeout);

afterAll(() => rmSync(place, { recursive: true, force: true }));

function colloquy(...parameters: readonly string[]): Promise<NodeRun> {
  const options = { workingDirectory: place, timeoutMs: timeout, parameters };
  return runNode(absolute("src/cli/main.ts"), options);
}

function recordsIn(text: string): readonly Record<string, unknown>[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("everything healthy comes out as JSON lines, and the store stays as it is", {
  timeout,
}, async () => {
  const before = readFileSync(joinPath(data, "store.sqlite"));
  const { exitCode, stdout, stderr } = await colloquy("export", "data");
  expect(stderr).toBe(
    "2 messages, 1 dead letters, 1 entries, 1 log entries; nothing was damaged\n",
  );
  expect(exitCode).toBe(0);
  const records = recordsIn(stdout);
  const of = (kind: string) => records.filter((record) => record["kind"] === kind);
  expect(of("message")).toMatchObject([
    {
      queue: "agent:printer",
      state: "queued",
      envelope: { name: "PRINT", to: ["agent:printer"], from: { agent: "shop" } },
      payload: { page: 1, picture: { base64: "AQID" } },
    },
    { state: "scheduled", notBeforeMs: 4e12, payload: { page: 2 } },
  ]);
  expect(of("dead")).toMatchObject([
    {
      error: { message: "no such address" },
      payload: { to: "nobody" },
      envelope: { name: "SEND" },
    },
  ]);
  expect(of("entry").map(({ content }) => content)).toContain(500);
  expect(of("log").map(({ content }) => content)).toContainEqual({ cents: 500 });
  expect(readFileSync(joinPath(data, "store.sqlite")).equals(before)).toBe(true);
  const again = await join(`embedded:${data}`);
  expect((await again.store.get("balance"))?.value).toBe(500);
  await again.close();
});

describe("a damaged store", () => {
  test("gives the rest, says what is missing, and ends with 1", { timeout }, async () => {
    const damaged = joinPath(place, "damaged");
    cpSync(data, damaged, { recursive: true });
    const file = joinPath(damaged, "store.sqlite");
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('"page":2') + '"page":'.length] = 0x33;
    writeFileSync(file, bytes);
    const run = await colloquy("export", "damaged", "--out", "rescued.jsonl", "--json");
    expect(run.exitCode, run.stderr).toBe(1);
    const summary = JSON.parse(run.stdout) as { messages: number; damages: readonly unknown[] };
    expect(summary.messages).toBe(1);
    expect(summary.damages).toMatchObject([
      { what: "a row that is not as it was written", details: { table: "later" } },
    ]);
    const records = recordsIn(readFileSync(joinPath(place, "rescued.jsonl"), "utf8"));
    expect(records.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["message", "dead", "entry", "log", "damage"]),
    );
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  test("of which nothing is left is a failure", { timeout }, async () => {
    mkdirSync(joinPath(place, "empty"));
    writeFileSync(joinPath(place, "empty", "store.sqlite"), "somebody's notes ".repeat(500));
    const { exitCode, stdout, stderr } = await colloquy("export", "empty", "--json");
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "STORE_FAILED" } });
  });
});

describe("wrong usage ends with 2 and says what is right", () => {
  test.each([
    ["no directory", ["export"], "missing required argument 'directory'"],
    ["an unknown option", ["export", "data", "--overwrite"], "unknown option '--overwrite'"],
    ["an unknown command", ["exprot", "data"], "unknown command 'exprot'"],
    ["a file that is there", ["export", "data", "--out", "data/store.sqlite"], "--out: EEXIST"],
  ])("%s", { timeout }, async (_name, parameters, message) => {
    const { exitCode, stdout, stderr } = await colloquy(...parameters);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});

test("help shows the commands, and an example of each", { timeout }, async () => {
  const all = await colloquy("--help");
  expect([all.exitCode, all.stderr]).toEqual([0, ""]);
  expect(all.stdout).toContain("export");
  const one = await colloquy("export", "--help");
  expect(one.exitCode).toBe(0);
  expect(one.stdout).toContain("$ colloquy export .colloquy --out rescued.jsonl");
  expect((await colloquy("--version")).stdout.trim()).toBe(packageJson().version);
});

test("the built package has the command", { timeout }, async () => {
  const installed = joinPath(place, "installed");
  mkdirSync(installed);
  cpSync(absolute("package.json"), joinPath(installed, "package.json"));
  symlinkSync(absolute("node_modules"), joinPath(installed, "node_modules"));
  const built = await run(process.execPath, [
    absolute("node_modules/typescript/bin/tsc"),
    "-p",
    absolute("tsconfig.build.json"),
    "--outDir",
    joinPath(installed, "dist"),
  ]);
  expect(built.exitCode, built.stdout).toBe(0);
  const program = joinPath(installed, packageJson().bin.colloquy);
  expect(readFileSync(program, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  const { exitCode, stdout, stderr } = await run(process.execPath, [program, "export", data]);
  expect(exitCode, stderr).toBe(0);
  expect(recordsIn(stdout)).toHaveLength(5);
});

function packageJson(): { readonly version: string; readonly bin: { readonly colloquy: string } } {
  return JSON.parse(read("package.json"));
}

function run(file: string, parameters: readonly string[]): Promise<NodeRun> {
  return new Promise((resolve) => {
    const child = execFile(file, parameters, { cwd: place }, (_error, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? undefined, stdout, stderr });
    });
  });
}
