import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tryOwnerLock } from "../../../src/hub/embedded/owner-lock.ts";
import { absolute } from "../../support/repository.ts";
import { sourceFlags } from "../../support/run-node.ts";

const directory = mkdtempSync(join(tmpdir(), "colloquy-lock-"));

afterAll(() => rmSync(directory, { recursive: true }));

test("one holds the lock at a time, in one process too", () => {
  const file = join(directory, "one.lock");
  const first = tryOwnerLock(file);
  expect(first).toBeDefined();
  expect(tryOwnerLock(file)).toBeUndefined();
  first?.release();
  first?.release();
  const second = tryOwnerLock(file);
  expect(second).toBeDefined();
  second?.release();
});

test("the lock of a process that is killed is free", async () => {
  const file = join(directory, "killed.lock");
  const module = absolute("src/hub/embedded/owner-lock.ts");
  const hold = `import { tryOwnerLock } from ${JSON.stringify(module)};
    globalThis.lock = tryOwnerLock(${JSON.stringify(file)});
    console.log("held");
    setInterval(() => {}, 1000);`;
  const flags = [...sourceFlags, "--input-type=module", "--eval", hold];
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  expect(tryOwnerLock(file)).toBeUndefined();
  child.kill("SIGKILL");
  await once(child, "exit");
  const lock = tryOwnerLock(file);
  expect(lock).toBeDefined();
  lock?.release();
});

test("a file of another kind is refused and left as it is", () => {
  const file = join(directory, "foreign.lock");
  writeFileSync(file, "these are somebody's notes, not ours to lock".repeat(20));
  expect(() => tryOwnerLock(file)).toThrow(
    expect.objectContaining({ code: "STORE_FAILED", details: { file } }),
  );
});

test("a directory that is not there is STORE_FAILED", () => {
  const file = join(directory, "missing", "owner.lock");
  expect(() => tryOwnerLock(file)).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
});
