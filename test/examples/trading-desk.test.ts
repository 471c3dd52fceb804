/** The trading desk as a person runs it, only shorter: real processes, a real disaster. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { runNode, sourceFlags } from "../support/run-node.ts";

const main = absolute("examples/trading-desk/main.ts");
const timeoutMs = 240_000;
const sockets = `colloquy-${process.getuid?.()}`;

test(
  "a short run books every order exactly once, although two processes are killed; kept, it can be looked at",
  async () => {
    const desk = startDesk("--days", "300", "--keep");
    const said = await desk.until("Ctrl-C");
    expect(said).toMatch(/killing the ledger \(process \d+\), which owns the store/);
    expect(said).toMatch(/[\d.,]+ ms from SIGKILL to the first durable acknowledgement/);
    expect(said).toContain("✓ every order was booked\n");
    expect(said).toContain("✓ no order was booked twice\n");
    expect(said).toContain("✓ the ledger's accounts equal the replay's\n");
    expect(said).not.toContain("✗");
    expect(said).toMatch(/PASSED in [\d.]+ s/);

    const [, url = ""] = /COLLOQUY_URL='(\S+)'/.exec(await desk.until("--help")) ?? [];
    const [agents, queues, statement, dead] = await Promise.all([
      colloquy(url, "agents"),
      colloquy(url, "queues", "--json"),
      colloquy(url, "request", "agent:ledger", "ledger.statement", "--json"),
      colloquy(url, "dead", "list"),
    ]);
    expect(agents.stdout).toMatch(
      /execution-2 +execution +active +\d+\/\d+ +execution\.ts \d+ on /,
    );
    expect(queues.stdout).toContain('{"address":"agent:ledger","waiting":0');
    expect(JSON.parse(statement.stdout)).toMatchObject({ accounts: [{}, {}, {}] });
    expect(dead).toMatchObject({ exitCode: 0, stdout: "", stderr: "no dead letters\n" });

    // On a machine that is busy just then a process may be silent, and has no rates.
    const look = async () => (await colloquy(url, "top", "--once")).stdout;
    const risk =
      /risk-1 +active +\d+\/\d+ +[\d.]*[1-9][\d.]* +0 +[\d.]+ +[\d.]+ +[\d,]+ +0 +risk\.ts/;
    await expect
      .poll(look, { timeout: 90_000 })
      .toMatch(
        new RegExp(`9 processes {2}\\d+ agents {2}\\d+ mailboxes {2}0 dead[^]*${risk.source}`),
      );

    const nonsense = ["send", "type:execution", "execution.executeOrder", '{"id": 7}'];
    const sent = await colloquy(url, ...nonsense, "--wait");
    expect(sent).toMatchObject({
      exitCode: 1,
      // What is on its way is told where it has not ended at the first look.
      stderr: expect.stringMatching(/^(… \w+\n)*$/),
    });
    expect(sent.stdout).toMatch(/^failed\n {2}INVALID_MESSAGE: /);
    const [id = ""] = (await colloquy(url, ...nonsense)).stdout.split("\n");
    const tracked = await colloquy(url, "track", id, "--follow", "--json");
    expect(tracked.exitCode, tracked.stderr).toBe(1);
    expect(tracked.stdout).toMatch(/"state":"failed".*\n$/);

    expect(await desk.interrupt()).toEqual({ exitCode: 0, errors: "" });
  },
  timeoutMs,
);

test(
  "interrupted, it ends every process and leaves no file behind",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "colloquy-example-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    // A group of its own, so that the signal reaches all of it, as Ctrl-C in a terminal does.
    const child = spawn(process.execPath, [...sourceFlags, main], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, TMPDIR: directory },
    });
    const group = -(child.pid as number);
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const trading = said.includes("orders booked");
      said += chunk;
      if (!trading && said.includes("orders booked")) process.kill(group, "SIGINT");
    });
    const [exitCode] = (await once(child, "close")) as [number];
    expect(said).toContain("FAILED: interrupted");
    expect(exitCode).toBe(1);
    await expect.poll(() => isThere(group)).toBe(false);
    // The directory for sockets is everybody's, and stays.
    const left = readdirSync(directory, { recursive: true }).filter((file) => file !== sockets);
    expect(left).toEqual([]);
  },
  timeoutMs,
);

test("--help says what there is, and wrong usage is refused with what would be right", async () => {
  const help = await runMain("--help");
  expect(help.exitCode).toBe(0);
  expect(help.stdout).toContain("--days");
  const wrong = await runMain("--days", "7");
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain("--days 7: not a whole number from");
});

/** Also one that has ended, and that nobody has asked about yet. */
function isThere(group: number): boolean {
  try {
    return process.kill(group, 0);
  } catch {
    return false;
  }
}

function runMain(...parameters: readonly string[]) {
  return runNode(main, { workingDirectory: tmpdir(), timeoutMs, parameters });
}

function colloquy(url: string, ...parameters: readonly string[]) {
  const program = absolute("src/cli/main.ts");
  const all = [...parameters, "--url", url];
  return runNode(program, { workingDirectory: tmpdir(), timeoutMs, parameters: all });
}

function startDesk(...parameters: readonly string[]) {
  const child = spawn(process.execPath, [...sourceFlags, main, ...parameters], { detached: true });
  const group = -(child.pid as number);
  onTestFinished(() => {
    if (child.exitCode === null) process.kill(group, "SIGKILL");
  });
  let said = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    errors += chunk;
  });
  const closed = once(child, "close");
  return {
    /** What was said so far, once `text` is in it. */
    async until(text: string): Promise<string> {
      while (!said.includes(text)) {
        const [exitCode] = await Promise.race([once(child.stdout, "data").then(() => []), closed]);
        if (exitCode !== undefined) throw new Error(`it ended with ${exitCode}: ${said}${errors}`);
      }
      return said;
    },
    /** Ctrl-C: the whole group gets it. */
    async interrupt(): Promise<{ exitCode: unknown; errors: string }> {
      process.kill(group, "SIGINT");
      const [exitCode] = (await closed) as [unknown];
      return { exitCode, errors };
    },
  };
}
