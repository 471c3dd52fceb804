/** Installs the servers that are missing, by the package managers at hand. */
import { findBinary } from "../../scripts/brokers/find-binary.ts";
import { findServer } from "../../scripts/brokers/find-server.ts";
import { installServer } from "../../scripts/brokers/install.ts";
import { run, type Say } from "../../scripts/brokers/run.ts";
import type { Need } from "../catalogue.ts";
import { findRabbitMqServer } from "./rabbitmq-server.ts";

type Server = Exclude<Need, "packages">;

const isThere: Readonly<Record<Server, () => boolean>> = {
  "redis-server": () => findServer("redis") !== undefined,
  "nats-server": () => findServer("nats") !== undefined,
  "rabbitmq-server": () => findRabbitMqServer() !== undefined,
};

const installers: Readonly<Record<Server, (say: Say) => Promise<unknown>>> = {
  "redis-server": (say) => installServer("redis", say),
  "nats-server": (say) => installServer("nats", say),
  "rabbitmq-server": installRabbitMq,
};

export function missingServers(): readonly Server[] {
  return (Object.keys(isThere) as Server[]).filter((server) => !isThere[server]());
}

/** @returns those that are still missing. */
export async function installServers(say: Say): Promise<readonly Server[]> {
  for (const server of missingServers()) {
    try {
      await installers[server]((text) => say(`${server}: ${text}`));
    } catch (error) {
      say(`${server}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return missingServers();
}

async function installRabbitMq(say: Say): Promise<void> {
  if (findBinary("apt-get") === undefined) throw new Error("no package manager here knows it");
  await run(["apt-get", "install", "-y", "--no-install-recommends", "rabbitmq-server"], {
    say,
    // The package must not start its server.
    environment: { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  });
}
