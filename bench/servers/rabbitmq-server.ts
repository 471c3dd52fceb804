/**
 * A RabbitMQ node of our own: its own name, cookie, ports on loopback and empty directory. Nodes find
 * one another by a port mapper (epmd) that they start by themselves and leave running, so this one is
 * given a mapper of its own, which ends with it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findBinary } from "../../scripts/brokers/find-binary.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { freePort } from "../harness/free-port.ts";
import { connectAmqp } from "../peers/amqp.ts";
import { startServer } from "./server-process.ts";

export interface RabbitMqServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** What packages put on PATH may insist on a user of its own; the program behind it does not. */
const packagedIn = ["/usr/lib/rabbitmq/bin"];

export function findRabbitMqServer(): string | undefined {
  return findBinary("epmd") && findBinary("rabbitmq-server", packagedIn);
}

export async function startRabbitMqServer(): Promise<RabbitMqServer> {
  const binary = findRabbitMqServer();
  const mapperBinary = findBinary("epmd");
  if (binary === undefined || mapperBinary === undefined) throw new Error("no rabbitmq-server");
  const directory = temporaryDirectory();
  const [port, distributionPort, mapperPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const mapper = await startServer(
    mapperBinary,
    ["-port", String(mapperPort), "-address", "127.0.0.1"],
    { ready: async () => {} },
  );
  const url = `amqp://guest:guest@127.0.0.1:${port}`;
  try {
    const server = await startServer(binary, [], {
      environment: environmentOf(directory.path, { port, distributionPort, mapperPort }),
      ready: async () => (await connectAmqp(url)).close(),
    });
    return {
      url,
      stop: async () => {
        await server.stop();
        await mapper.stop();
        directory.remove();
      },
    };
  } catch (error) {
    await mapper.stop();
    directory.remove();
    throw error;
  }
}

interface Ports {
  readonly port: number;
  readonly distributionPort: number;
  readonly mapperPort: number;
}

function environmentOf(directory: string, ports: Ports): Record<string, string> {
  const at = (name: string): string => join(directory, name);
  mkdirSync(at("data"));
  writeFileSync(at("plugins"), "[].\n");
  writeFileSync(at("environment"), "");
  return {
    HOME: directory,
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_EPMD_PORT: String(ports.mapperPort),
    RABBITMQ_NODENAME: `bench-${process.pid}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(ports.port),
    RABBITMQ_DIST_PORT: String(ports.distributionPort),
    RABBITMQ_MNESIA_BASE: at("data"),
    RABBITMQ_LOG_BASE: at("log"),
    RABBITMQ_PID_FILE: at("pid"),
    RABBITMQ_ENABLED_PLUGINS_FILE: at("plugins"),
    RABBITMQ_CONF_ENV_FILE: at("environment"),
    RABBITMQ_CONFIG_FILE: at("none"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  };
}
