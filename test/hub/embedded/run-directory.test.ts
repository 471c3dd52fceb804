import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { socketPathFor } from "../../../src/hub/embedded/run-directory.ts";

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "colloquy-run-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

test("the path is short, private, and the same for every name of one directory", () => {
  vi.stubEnv("XDG_RUNTIME_DIR", directory);
  const data = join(directory, "a".repeat(100), "b".repeat(100));
  mkdirSync(data, { recursive: true });
  symlinkSync(data, join(directory, "link"));
  const path = socketPathFor(data);
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(100);
  expect(socketPathFor(join(directory, "link"))).toBe(path);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  expect(dirname(path)).toBe(join(directory, "colloquy"));
});

test("two directories have two paths", () => {
  vi.stubEnv("XDG_RUNTIME_DIR", directory);
  mkdirSync(join(directory, "one"));
  mkdirSync(join(directory, "two"));
  expect(socketPathFor(join(directory, "one"))).not.toBe(socketPathFor(join(directory, "two")));
});

test("a directory that others may enter is passed over", () => {
  vi.stubEnv("XDG_RUNTIME_DIR", directory);
  mkdirSync(join(directory, "colloquy"), { mode: 0o755 });
  chmodSync(join(directory, "colloquy"), 0o755);
  expect(dirname(socketPathFor(directory))).not.toBe(join(directory, "colloquy"));
});

test("a path too long for a socket is passed over", () => {
  const deep = join(directory, "d".repeat(120));
  mkdirSync(deep);
  vi.stubEnv("XDG_RUNTIME_DIR", deep);
  expect(Buffer.byteLength(socketPathFor(directory))).toBeLessThanOrEqual(100);
});
