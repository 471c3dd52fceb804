/** Wrong usage: nothing is done, exit code 2, and the reason as the caller wants it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, expect, test } from "vitest";
import { shell } from "./support/shell.ts";

const place = mkdtempSync(joinPath(tmpdir(), "colloquy-usage-"));

afterAll(() => rmSync(place, { recursive: true, force: true }));

test("for people it says which help says more", async () => {
  expect(await shell(["queues", "browse"])).toEqual({
    exitCode: 2,
    stdout: "",
    stderr:
      "error: missing required argument 'mailbox'\n(colloquy queues browse --help says more)\n",
  });
  const { exitCode, stderr } = await shell(["requst"]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/Did you mean request\?/);
});

test("for machines it is one JSON object, as every error", async () => {
  for (const [args, message] of [
    [["request", "--json"], "missing required argument 'to'"],
    [["requst", "--json"], /^unknown command 'requst'/],
    [["agents", "--json", "--timeout", "5"], /'--timeout <duration>' argument '5' is invalid/],
    [["queues", "browse", "--json", "--nosuch", "agent:a"], /^unknown option '--nosuch'/],
  ] as const) {
    const { exitCode, stdout, stderr } = await shell(args);
    expect([exitCode, stdout, stderr.match(/\n/g)?.length]).toEqual([2, "", 1]);
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
    expect(error).toMatchObject({ code: "INVALID_OPTION", retryable: false });
    expect(error.message).toMatch(message);
  }
});

test.each([
  [["queues", "declare", "all:agent"], /A mailbox: agent:ID/],
  [["dead", "list", "--address", "all:agent"], /A mailbox: agent:ID/],
  [["dead", "replay", "1", "--address", "agent:a"], /--address goes with --all/],
  [["dead", "purge", "1", "--address", "agent:a"], /--address goes with --all/],
  [["publish", "a..b", "1"], /^INVALID_ADDRESS: topic/],
  [["subscribe", "a..b"], /^INVALID_ADDRESS: pattern/],
  [["request", "all:agent", "greet"], /^INVALID_ADDRESS: all:agent: a request goes to one agent/],
  [["agents", "--space", "a b"], /^INVALID_ADDRESS: space/],
])("%j is refused", async (args, reason) => {
  const { exitCode, stderr } = await shell([...args, "--url", "memory:"]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(reason);
});

test("doctor looks into the directory that it is given, wherever COLLOQUY_URL is", async () => {
  const directory = joinPath(place, "store");
  process.env["COLLOQUY_URL"] = "tcp://127.0.0.1:1";
  try {
    const { exitCode, stdout } = await shell(["doctor", "--dir", directory]);
    expect(stdout).toContain(`${directory} is not there`);
    expect(exitCode).toBe(0);
  } finally {
    delete process.env["COLLOQUY_URL"];
  }
  expect(existsSync(directory)).toBe(false);
  expect(await shell(["doctor", "--dir", directory, "--url", "memory:"])).toMatchObject({
    exitCode: 2,
  });
  expect(await shell(["doctor", "--broker", "a:", "--url", "b:"])).toMatchObject({ exitCode: 2 });
});
