/** The Python client's own tests, which run against `colloquy serve` and agents in JavaScript. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { absolute } from "../support/repository.ts";

const [version, timeoutMs] = [[3, 11], 240_000] as const;

function hasPython(): boolean {
  const check = `import sys; sys.exit(sys.version_info < (${version.join(", ")}))`;
  return spawnSync("python3", ["-c", check]).status === 0;
}

test("the tests of the Python client pass", { timeout: timeoutMs }, ({ skip }) => {
  const missing = `no Python ${version.join(".")} or newer`;
  if (!hasPython() && process.env["CI"] === undefined) skip(missing);
  expect(hasPython(), missing).toBe(true);
  const { status, stderr } = spawnSync(
    "python3",
    ["-m", "unittest", "discover", "-s", "tests", "-t", "."],
    {
      cwd: absolute("clients/python"),
      env: { ...process.env, COLLOQUY_NODE: process.execPath, PYTHONDONTWRITEBYTECODE: "1" },
      encoding: "utf8",
      timeout: timeoutMs,
    },
  );
  expect(status, stderr).toBe(0);
});
