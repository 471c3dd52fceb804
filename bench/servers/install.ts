/** Installs the servers that are missing, by the package managers at hand. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Need } from "../catalogue.ts";
import { findBinary } from "./find-binary.ts";
import { findNatsServer } from "./nats-server.ts";
import { findRabbitMqServer } from "./rabbitmq-server.ts";
import { findRedisServer } from "./redis-server.ts";

type Server = Exclude<Need, "packages">;

const finders: Readonly<Record<Server, () => string | undefined>> = {
  "redis-server": findRedisServer,
  "nats-server": findNatsServer,
  "rabbitmq-server": findRabbitMqServer,
};

/** Tried in order; the first whose program is there is run. A package must not start its server. */
const installers: Readonly<Record<Server, readonly (readonly string[])[]>> = {
  "redis-server": [["apt-get", "install", "-y", "--no-install-recommends", "redis-server"]],
  "nats-server": [["go", "install", "github.com/nats-io/nats-server/v2@latest"]],
  "rabbitmq-server": [["apt-get", "install", "-y", "--no-install-recommends", "rabbitmq-server"]],
};

export function missingServers(): readonly Server[] {
  return (Object.keys(finders) as Server[]).filter((server) => finders[server]() === undefined);
}

/** @returns those that are still missing. */
export async function installServers(say: (text: string) => void): Promise<readonly Server[]> {
  for (const server of missingServers()) {
    const command = installers[server].find(([program = ""]) => findBinary(program) !== undefined);
    if (command === undefined) {
      say(`${server}: no package manager here knows it`);
      continue;
    }
    say(`${server}: ${command.join(" ")}`);
    const [program = "", ...args] = command;
    const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
    const child = spawn(program, args, { stdio: ["ignore", 2, 2], env: environment });
    const [code] = await once(child, "exit");
    if (code !== 0) say(`${server}: ${program} ended with ${code}`);
  }
  return missingServers();
}
