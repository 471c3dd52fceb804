/** `npm run brokers`: servers that are started and stopped for real, in a directory of each test. */
import { execFile, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectNats } from "@nats-io/transport-node";
import { createClient } from "@redis/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Status, status } from "../../scripts/brokers/brokers.ts";
import { isAtLeast } from "../../scripts/brokers/find-server.ts";
import { answers, freePort, patienceMs } from "../../scripts/brokers/greeting.ts";
import { parseOptions } from "../../scripts/brokers/options.ts";
import { readRunning, writeRunning } from "../../scripts/brokers/running.ts";
import { serverNames, servers, settings } from "../../scripts/brokers/servers.ts";
import { missingServer, serverProgram } from "../support/brokers.ts";
import { absolute } from "../support/repository.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "colloquy-brokers-"));
});

afterEach(async () => {
  await brokers(["down"]);
  rmSync(directory, { recursive: true });
});

describe("the command line", () => {
  test("names are those of the table, all without any", () => {
    expect(parseOptions(["up"])).toMatchObject({ command: "up", names: serverNames });
    expect(parseOptions(["down", "redis", "redis", "--json"])).toMatchObject({
      names: ["redis"],
      json: true,
    });
    expect(parseOptions(["up", "--help"])).toBeUndefined();
  });

  test("what it does not know is told, with how it is used", async () => {
    for (const args of [[], ["start"], ["up", "kafka"], ["up", "--port", "1"]]) {
      expect(() => parseOptions(args)).toThrow();
    }
    const { code, stderr } = await brokers(["up", "kafka"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^kafka: no broker/);
    expect(stderr).toContain("npm run brokers -- COMMAND");
  });

  test("versions are compared by their numbers", () => {
    expect(["2.9.25", "2.14.3", "2.15.0", "3.0.0"].map((v) => isAtLeast(v, "2.14.3"))).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });
});

describe.each(serverNames)("%s", (name) => {
  const missing = missingServer(name);

  test.skipIf(missing)("is up until it is down, and its data stay", async () => {
    serverProgram(name);
    const first = await brokers(["up", name, "--json"]);
    expect(first.code, first.stderr).toBe(0);
    const up = onlyStatus(first);
    expect(up).toMatchObject({ state: "up", name, by: "process" });
    if (up.state !== "up") return;
    await keep[name](up.url);

    const second = await brokers(["up", name, "--json"]);
    expect(second.stderr).toContain("up already");
    expect(onlyStatus(second)).toEqual(up);
    expect(onlyStatus(await brokers(["status", name, "--json"]))).toEqual(up);

    expect((await brokers(["down", name])).stdout).toMatch(new RegExp(`^${name} +down +installed`));
    const port = Number(new URL(up.url).port);
    expect(await answers(servers[name].greeting, port)).toBe(false);
    expect((await brokers(["down", name])).stderr).toContain("was not up");

    const again = onlyStatus(await brokers(["up", name, "--json"]));
    expect(again.state === "up" && (await kept[name](again.url))).toBe(true);
  });

  test.skipIf(missing)("has the settings that the promises need", async () => {
    serverProgram(name);
    const up = onlyStatus(await brokers(["up", name, "--json"]));
    expect(up.state === "up" && (await settingsOf[name](up.url))).toEqual(promised[name]);
  });
});

test("a pid that is somebody else's by now is neither up nor stopped", async () => {
  const stranger = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const pid = stranger.pid as number;
  const url = "redis://127.0.0.1:1";
  writeRunning(directory, {
    name: "redis",
    url,
    version: "8",
    by: "process",
    pid,
    begun: "long ago",
  });
  expect(await status(directory, "redis")).toMatchObject({ state: "down" });
  await brokers(["down", "redis"]);
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  expect(readRunning(directory, "redis")).toBeUndefined();
  stranger.kill("SIGKILL");
});

test("a server that ends instead of taking work is told with the end of its log", async () => {
  const program = script(
    "redis-server",
    'echo "Redis server v=99.0.0"; echo "no room" >&2; exit 3',
  );
  const environment = { COLLOQUY_REDIS_SERVER: program };
  const { code, stderr, stdout } = await brokers(["up", "redis"], environment);
  expect(code).toBe(1);
  expect(stderr).toContain("ended with 3");
  expect(stderr).toContain("no room");
  expect(stdout).toMatch(/^redis +down/);
});

test("what is too old is passed over, and without a way to install another the lack is named", async () => {
  const program = script("redis-server", 'echo "Redis server v=7.0.15"');
  const environment = nothingInstalled();
  const { code, stderr, stdout } = await brokers(["up", "redis"], environment);
  expect(code).toBe(1);
  expect(stderr).toContain(`${program} 7.0.15 is older than 7.2.0: passed over`);
  expect(stderr).toContain("no redis-server of at least 7.2.0 here: without apt-get");
  expect(stdout).toMatch(/^redis +down +not installed/);
});

test("where only a container engine runs, compose.yaml is used", async () => {
  // Stands for an engine: there is none on most machines that test this.
  script(
    "docker",
    `echo "$*" >> ${join(directory, "calls")}; case "$*" in *" ps "*) echo id;; esac`,
  );
  const environment = nothingInstalled();
  const up = await brokers(["up", "nats", "--json"], environment);
  expect(onlyStatus(up)).toMatchObject({ by: "compose", url: "nats://127.0.0.1:4222" });
  expect(up.stderr).toContain("a container engine runs: the service of compose.yaml");
  await brokers(["down", "nats"], environment);
  const calls = readFileSync(join(directory, "calls"), "utf8");
  const file = absolute("compose.yaml");
  expect(existsSync(file)).toBe(true);
  expect(calls).toContain(`compose -f ${file} up --detach --wait nats\n`);
  expect(calls).toContain(`compose -f ${file} rm --stop --force nats\n`);
});

describe.each(serverNames)("compose.yaml, %s", (name) => {
  /** What Compose reads of the service: every list of ours is one line of JSON. */
  const service = readFileSync(absolute("compose.yaml"), "utf8").split(`\n  ${name}:\n`)[1] ?? "";
  const list = (key: string): string[] =>
    JSON.parse(new RegExp(`${key}: (\\[.*\\])`).exec(service)?.[1] ?? "[]") as string[];
  const inContainer = (argument: string): string =>
    argument
      .replace(settings[name], `/etc/colloquy/${name}.conf`)
      .replace("127.0.0.1", "0.0.0.0")
      .replace("DIRECTORY", "/data");

  test("starts a version that will do with the settings, parameters and port of `up`", () => {
    const { port, versionMin, argumentsFor } = servers[name];
    const version = /image: \w+:([\d.]+)-/.exec(service)?.[1] ?? "";
    expect(isAtLeast(version, versionMin), version).toBe(true);
    expect(service).toContain(`./scripts/brokers/${name}.conf:/etc/colloquy/${name}.conf:ro`);
    expect(list("ports")).toEqual([`127.0.0.1:${port}:${port}`]);
    expect(list("command")).toEqual(
      expect.arrayContaining(argumentsFor({ directory: "DIRECTORY", port }).map(inContainer)),
    );
  });

  test.skipIf(missingServer(name))(
    "its command and its health check are the server's",
    async () => {
      const { port, greeting } = servers[name];
      const [own, health] = [await freePort(), await freePort()];
      const here = (argument: string): string =>
        argument
          .replace(`/etc/colloquy/${name}.conf`, settings[name])
          .replace("0.0.0.0", "127.0.0.1")
          .replace("/data", directory)
          .replace(String(port), String(own))
          .replace("8222", String(health));
      const command = list("command").map(here);
      // An image of Redis is given the program as well.
      const parameters = command[0] === servers[name].program ? command.slice(1) : command;
      const server = spawn(serverProgram(name), parameters, { stdio: "ignore" });
      try {
        await expect.poll(() => answers(greeting, own)).toBe(true);
        const url = list("test").map(here).at(-1) ?? "";
        if (url.startsWith("http")) expect((await fetch(url)).status).toBe(200);
        else expect(list("test").slice(1)).toEqual(["redis-cli", "ping"]);
      } finally {
        server.kill("SIGKILL");
      }
    },
  );
});

test("a server that is there and still loads is asked again, not waited for", async () => {
  const loading = createServer((socket) => {
    socket.on("error", () => {}).resume();
    socket.write("-LOADING in a moment\r\n");
  });
  await new Promise<void>((resolve) => void loading.listen(0, "127.0.0.1", resolve));
  const { port } = loading.address() as { port: number };
  const asked = answers(servers.redis.greeting, port);
  const late = new Promise((resolve) => setTimeout(resolve, patienceMs - 1_000, "late"));
  expect(await Promise.race([asked, late])).toBe(false);
  await new Promise((resolve) => loading.close(resolve));
});

test("a port that is taken is left to whoever has it", async () => {
  const other = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => void other.listen(port, "127.0.0.1", resolve));
  expect(await freePort(port)).not.toBe(port);
  await new Promise((resolve) => other.close(resolve));
  expect(await freePort(port)).toBe(port);
});

/** A second, as by default, is less than a machine may stand still, or a disk may take. */
const patient = { timeout: 30_000 };

const keep = {
  nats: (url: string) =>
    withNats(url, async (nats) => {
      const stream = { name: "KEPT", subjects: ["kept"], storage: "file" };
      await nats.request("$JS.API.STREAM.CREATE.KEPT", JSON.stringify(stream), patient);
      await nats.request("kept", "1", patient);
    }),
  redis: (url: string) => withRedis(url, (redis) => redis.set("kept", "1")),
} as const;

const kept = {
  nats: (url: string) =>
    withNats(url, async (nats) => {
      const info = await nats.request("$JS.API.STREAM.INFO.KEPT", "", patient);
      return info.json<{ state: { messages: number } }>().state.messages === 1;
    }),
  redis: (url: string) => withRedis(url, async (redis) => (await redis.get("kept")) === "1"),
} as const;

const settingsOf = {
  nats: (url: string) =>
    withNats(url, async (nats) => {
      // Without a name, from the account that work is done in.
      const jetStream = await nats.request("$SYS.REQ.SERVER.PING.JSZ", "", patient);
      const { config } = jetStream.json<{ data: { config: { sync_always: boolean } } }>().data;
      return { sync_always: config.sync_always, max_payload: nats.info?.max_payload };
    }),
  redis: (url: string) => withRedis(url, (redis) => redis.configGet(Object.keys(promised.redis))),
} as const;

const promised = {
  nats: { sync_always: true, max_payload: 8 * 1024 * 1024 },
  redis: {
    appendonly: "yes",
    appendfsync: "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
    bind: "127.0.0.1",
  },
} as const;

async function withNats<Result>(
  url: string,
  act: (nats: Awaited<ReturnType<typeof connectNats>>) => Promise<Result>,
): Promise<Result> {
  const nats = await connectNats({ servers: url });
  try {
    return await act(nats);
  } finally {
    await nats.close();
  }
}

async function withRedis<Result>(
  url: string,
  act: (redis: ReturnType<typeof createClient>) => Promise<Result>,
): Promise<Result> {
  const redis = createClient({ url });
  redis.on("error", () => {});
  await redis.connect();
  try {
    return await act(redis as ReturnType<typeof createClient>);
  } finally {
    redis.destroy();
  }
}

interface Run {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** As on a machine that has neither servers nor a way to get them; the directory of the test is the PATH. */
function nothingInstalled(): NodeJS.ProcessEnv {
  return {
    PATH: directory,
    XDG_CACHE_HOME: join(directory, "cache"),
    GOPATH: directory,
    GOBIN: undefined,
    COLLOQUY_NATS_SERVER: undefined,
    COLLOQUY_REDIS_SERVER: undefined,
  };
}

function brokers(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Run> {
  const home = args.length > 0 ? ["--directory", directory] : [];
  const parameters = [absolute("scripts/brokers.ts"), ...args, ...home];
  const env = { ...process.env, ...environment };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, parameters, { env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? undefined, stdout, stderr });
    });
  });
}

function onlyStatus({ stdout, stderr }: Run): Status {
  const states = JSON.parse(stdout) as Status[];
  expect(states, stderr).toHaveLength(1);
  return states[0] as Status;
}

/** A program in the directory of the test. @returns its path. */
function script(name: string, lines: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${lines}\n`);
  chmodSync(path, 0o755);
  return path;
}
