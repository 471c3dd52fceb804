/** `join` with the URL of a server of others' making, and what it makes of the URL. */
import { tmpdir } from "node:os";
import { join } from "colloquy";
import { describe, expect, test } from "vitest";
import { serverNames } from "../../scripts/brokers/servers.ts";
import { missingServer } from "../support/brokers.ts";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";
import { startServer } from "../support/servers/servers.ts";

const quiet = { drainOnSignals: false } as const;

describe.each(serverNames)("%s", (scheme) => {
  test.skipIf(missingServer(scheme))(
    "two processes' worth of it meet, below a prefix",
    async () => {
      const server = await startServer[scheme]();
      try {
        const url = `${server.url}?prefix=red&leaseMs=5000`;
        const asking = await join(url, quiet);
        const answering = await join({ url, ...quiet });
        const elsewhere = await join(`${server.url}?prefix=blue`, quiet);
        const agent = await answering.agent("greeter");
        agent.handle("greet", (name) => `Hello, ${name}!`);
        const asker = await asking.agent("asker");
        await asking.waitFor({ id: "greeter" });
        expect(await asker.request("agent:greeter", "greet", "you")).toBe("Hello, you!");
        expect(elsewhere.find({ id: "greeter" })).toEqual([]);
        await Promise.all([asking.close(), answering.close(), elsewhere.close()]);
      } finally {
        await server.remove();
      }
    },
  );

  test("what is no URL of a server is refused by name, and a password in it is not shown", async () => {
    const wrong = [
      [`${scheme}:host`, "url"],
      [`${scheme}://u:secret@host?prefx=a`, "url"],
      [`${scheme}://u:secret@host?leaseMs=long`, "url"],
      [`${scheme}://u:secret@host?leaseMs=0`, "leaseMs"],
      [`${scheme}://u:secret@host?prefix=a%20b`, "prefix"],
    ] as const;
    for (const [url, field] of wrong) {
      const error = await join(url, quiet).catch((thrown: unknown) => thrown as Error);
      expect(error, url).toMatchObject({ code: "INVALID_OPTION", details: { field } });
      expect(JSON.stringify(error)).not.toMatch("secret");
    }
    await expect(join(`${scheme}://host?prefx=a`, quiet)).rejects.toThrow("did you mean prefix=?");
    const limits = { connection: { backoffMinMs: 5 } };
    await expect(join(`${scheme}://u:secret@host`, { ...quiet, limits })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      details: { field: "limits.connection" },
      message: expect.not.stringContaining("secret"),
    });
  });

  test("a server that is away is told", async () => {
    const joining = join(`${scheme}://127.0.0.1:1`, quiet);
    await expect(joining).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
  });
});

test("without the package of a client, joining says what to install, and nothing else looks for it", async () => {
  const program = absolute("test/network/programs/without-clients.ts");
  const parameters = [
    "nats://127.0.0.1",
    "nats+tls://127.0.0.1",
    "redis://127.0.0.1",
    "rediss://h",
  ];
  const run = await runNode(program, { workingDirectory: tmpdir(), timeoutMs: 50_000, parameters });
  expect(run.exitCode, run.stderr).toBe(0);
  const missing = (name: string) => ({
    code: "UNSUPPORTED",
    message: expect.stringMatching(`npm install ${name}$`),
    details: { package: name },
  });
  const [nats, redis] = [missing("@nats-io/transport-node"), missing("@redis/client")];
  expect(JSON.parse(run.stdout)).toMatchObject({
    before: 0,
    outcomes: [nats, nats, redis, redis],
  });
});
