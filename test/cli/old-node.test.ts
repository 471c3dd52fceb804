/** A Node that is too old for the package has no SQLite: here one that is told to have none. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { absolute, read } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";

test("a command says in one line which Node is needed", () => {
  const program = [...sourceFlags, absolute("src/cli/main.ts"), "agents"];
  const { status, stderr } = spawnSync(process.execPath, ["--no-experimental-sqlite", ...program], {
    encoding: "utf8",
  });
  const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };
  expect(stderr).toBe(`Colloquy needs Node ${engines.node}; this is ${process.versions.node}.\n`);
  expect(status).toBe(1);
});
