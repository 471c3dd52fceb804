/**
 * Installs servers by the package managers at hand, into a directory of this user. Nothing of the system
 * is changed, and nobody has to be root.
 *
 *   nats-server    go install, from the Go module proxy; else Homebrew
 *   redis-server   built from Debian's sources, with Debian's security fixes; else Homebrew
 */
import { mkdirSync } from "node:fs";
import { delimiter } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findBinary, pathDirectories } from "./find-binary.ts";
import { type FoundServer, findServer, installedIn } from "./find-server.ts";
import { buildRedis } from "./redis-source.ts";
import { run, type Say } from "./run.ts";
import { type ServerName, servers } from "./servers.ts";

/** Tests and results name it, so it does not change by itself. */
const natsModule = "github.com/nats-io/nats-server/v2@v2.15.3";

/** Where programs may be although PATH does not name it: Go's own installer leaves that to its user. */
const otherDirectories = ["/usr/local/go/bin"];
const everyDirectory = [...pathDirectories(), ...otherDirectories].join(delimiter);

/** Mirrors and proxies have bad moments. */
const attemptsMax = 3;
const pauseMs = 5_000;

interface Way {
  /** Programs without which it cannot be gone. */
  readonly needs: readonly string[];
  install(say: Say): Promise<void>;
}

const brew = (formula: string): Way => ({
  needs: ["brew"],
  install: (say) => run(["brew", "install", formula], { say }),
});

/** Tried in order. */
const ways: Readonly<Record<ServerName, readonly Way[]>> = {
  nats: [
    {
      needs: ["go"],
      install: (say) =>
        run(["go", "install", natsModule], {
          say,
          environment: { GOBIN: installedIn, PATH: everyDirectory },
        }),
    },
    brew("nats-server"),
  ],
  redis: [
    {
      needs: ["apt-get", "dpkg-source", "make", "cc"],
      install: (say) => buildRedis(installedIn, say),
    },
    brew("redis"),
  ],
};

/**
 * What is found is left as it is.
 *
 * @throws Error that says what was tried and what is missing.
 */
export async function installServer(name: ServerName, say: Say): Promise<FoundServer> {
  const { program, versionMin } = servers[name];
  const present = findServer(name);
  if (present !== undefined) return present;
  mkdirSync(installedIn, { recursive: true });
  const failures: string[] = [];
  for (const { needs, install } of ways[name]) {
    const missing = needs.filter((need) => findBinary(need, otherDirectories) === undefined);
    if (missing.length > 0) {
      failures.push(`without ${missing.join(", ")} not from ${needs[0]}`);
      continue;
    }
    try {
      await severalTimes(() => install(say), say);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
      continue;
    }
    const found = findServer(name);
    if (found !== undefined) return found;
    failures.push(`${needs[0]} gave none that is recent enough`);
  }
  throw new Error(`no ${program} of at least ${versionMin} here: ${failures.join("; ")}`);
}

async function severalTimes(act: () => Promise<void>, say: Say): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act();
    } catch (error) {
      if (attempt === attemptsMax) throw error;
      say(`${error instanceof Error ? error.message : String(error)}: once more`);
      await sleep(pauseMs);
    }
  }
}
