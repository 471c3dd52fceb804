/** What the environment says where options say nothing; an empty variable says nothing either. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { sharedToken } from "../../src/hub/authentication.ts";
import { Hub } from "../../src/hub/hub.ts";
import { join } from "../../src/index.ts";
import { listenTcp } from "../../src/link/tcp.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { shell } from "../cli/support/shell.ts";

const place = mkdtempSync(joinPath(tmpdir(), "colloquy-environment-"));

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

test("with an empty COLLOQUY_URL it is the nearest directory", async () => {
  vi.stubEnv("COLLOQUY_URL", "");
  vi.spyOn(process, "cwd").mockReturnValue(place);
  const net = await join({ drainOnSignals: false });
  try {
    const { exitCode, stdout } = await shell(["doctor"]);
    expect(stdout).toContain(`ok  directory   ${joinPath(place, ".colloquy")}`);
    expect(exitCode).toBe(0);
  } finally {
    await net.close();
  }
});

test("with an empty COLLOQUY_TOKEN no token is shown; a hub does not open its door for it", async () => {
  const broker = openMemoryBroker();
  const authenticate = sharedToken("a token that nobody guesses");
  const hub = new Hub({ broker, clock, id: "hub", authenticate });
  const listener = await listenTcp({ port: 0 }, (link) => hub.accept(link));
  const url = listener.address;
  vi.stubEnv("COLLOQUY_TOKEN", "");
  try {
    await expect(join(url)).rejects.toThrow("none was shown");
    const { stdout } = await shell(["doctor", "--url", url]);
    expect(stdout).toContain("none was shown");
    const serve = await shell(["serve", "--memory", "--http", "0"], {
      signal: AbortSignal.timeout(5_000),
    });
    expect(serve).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/token: .* 0 char/) });
  } finally {
    await listener.close();
    await hub.close();
    await broker.close();
  }
});
