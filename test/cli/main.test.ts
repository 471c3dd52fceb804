/** The command as a process of its own: how it ends, and what becomes of what cannot be written. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";

const place = mkdtempSync(joinPath(tmpdir(), "colloquy-main-"));
const program = [...sourceFlags, absolute("src/cli/main.ts")];

afterAll(() => rmSync(place, { recursive: true, force: true }));

test("what a module leaves open does not keep a command that is told to end", async () => {
  const file = joinPath(place, "alive.mjs");
  writeFileSync(file, "setInterval(() => {}, 60_000);\nexport default () => {};\n");
  const args = [...program, "run", "--url", "memory:", file];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const exit = once(child, "exit");
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
  }
});

test("results that cannot be written are told, and fail", async () => {
  const full = openSync("/dev/full", "w");
  const args = [...program, "completion", "bash"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", full, "pipe"] });
  closeSync(full);
  const exit = once(child, "exit");
  expect(await text(child.stderr as NodeJS.ReadableStream)).toMatch(
    /^colloquy: the results cannot be written: .*ENOSPC.*\n$/,
  );
  expect(await exit).toEqual([1, null]);
});

test("whoever does not read the remarks may read the results", async () => {
  const args = [...program, "dead", "list", "--url", "memory:"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.destroy();
  const exit = once(child, "exit");
  await text(child.stdout);
  expect(await exit).toEqual([0, null]);
});
