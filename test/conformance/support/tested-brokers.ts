/** The brokers that are compared case by case: how each is opened, empty, for one case. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerName } from "../../../scripts/brokers/servers.ts";
import type { Broker } from "../../../src/broker/broker.ts";
import { openHubBroker } from "../../../src/broker/hub.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { openEmbedded } from "../../../src/hub/embedded.ts";
import { Hub } from "../../../src/hub/hub.ts";
import type { Link } from "../../../src/link/link.ts";
import { connectTcp, listenTcp } from "../../../src/link/tcp.ts";
import { systemClock as clock } from "../../../src/runtime/clock.ts";
import { systemRandom as random } from "../../../src/runtime/random.ts";
import type { Abilities, Feature, Subject } from "../../../src/testing/index.ts";
import { NatsServer } from "../../support/servers/nats.ts";
import type { Server } from "../../support/servers/server.ts";
import { startServer } from "../../support/servers/servers.ts";
import type { BrokerName } from "./differences.ts";
import { Directories } from "./directory.ts";
import { serverSubject, serverSubjectAlone } from "./server-subject.ts";

export interface TestedBroker {
  readonly name: BrokerName;
  /** For people. */
  readonly title: string;
  /** @param needs - of the case: a server may be shared by those that do not restart it. */
  readonly open: (needs: readonly Feature[]) => Promise<Subject>;
  readonly abilities: Abilities;
  /** Ends what all cases shared, such as a server. */
  readonly close?: () => Promise<void>;
}

const linked: Abilities = { disconnect: true, unheard: true };

export const testedBrokers: readonly TestedBroker[] = [
  { name: "memory", title: "memory", open: openMemory, abilities: { unheard: true } },
  { name: "embedded", title: "embedded", open: openDirectory, abilities: { unheard: true } },
  { name: "hub", title: "a hub over TCP", open: openHub, abilities: linked },
  // Whether it flushes before it answers is no matter where nobody restarts it.
  atServer("nats", "NATS", () => NatsServer.start({ syncInterval: "1s" })),
  atServer("redis", "Redis"),
];

/** @param startShared - the server of those cases that do not restart it. */
function atServer(
  name: ServerName,
  title: string,
  startShared: () => Promise<Server> = startServer[name],
): TestedBroker {
  let shared: Promise<Server> | undefined;
  return {
    name,
    title,
    abilities: linked,
    open: async (needs) => {
      if (needs.includes("durability")) return serverSubjectAlone(startServer[name]);
      shared ??= startShared();
      return serverSubject(await shared);
    },
    close: async () => (await shared)?.remove(),
  };
}

export function testedBroker(name: BrokerName): TestedBroker {
  const found = testedBrokers.find((tested) => tested.name === name);
  if (found === undefined) throw new Error(`no broker named ${name} is tested`);
  return found;
}

async function openMemory(): Promise<Subject> {
  const broker = openMemoryBroker();
  const clients: Broker[] = [broker];
  const connect = async () => {
    const client = broker.connect();
    clients.push(client);
    return client;
  };
  const close = async () => void (await Promise.all(clients.map((client) => client.close())));
  return { broker, connect, close };
}

/** As it is used: the owner's hub in its thread, everybody a client of it. */
async function openDirectory(): Promise<Subject> {
  // Every case starts a thread of its own: its modules are compiled once for all of them.
  process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "colloquy-compile-cache");
  const directories = new Directories();
  let directory = directories.make();
  let clients: Broker[] = [];
  const connect = async (): Promise<Broker> => {
    const client = await openEmbedded(directory);
    clients.push(client);
    return client;
  };
  const end = async (): Promise<void> => {
    // The first is the owner: the others need not take over.
    for (const client of clients.toReversed()) await client.close();
    clients = [];
  };
  return {
    broker: await connect(),
    connect,
    restart: async (how) => {
      if (how === "crash") directory = directories.copyOf(directory);
      await end();
      return connect();
    },
    close: async () => {
      await end();
      directories.remove();
    },
  };
}

/** What it shares is a broker in memory. */
async function openHub(): Promise<Subject> {
  const memory = openMemoryBroker();
  const hub = new Hub({ broker: memory, clock, id: "hub" });
  const listener = await listenTcp({ port: 0 }, (link) => hub.accept(link));
  const { hostname: host, port } = new URL(listener.address.replace("tcp", "http"));
  /** The present link of each client. */
  const links = new Map<Broker, () => Link | undefined>();
  const connect = async (): Promise<Broker> => {
    let link: Link | undefined;
    const connectLink = async (signal: AbortSignal): Promise<Link> => {
      link = await connectTcp({ host, port: Number(port) })(signal);
      return link;
    };
    const broker = await openHubBroker({ connect: connectLink, clock, random, name: "client" });
    links.set(broker, () => link);
    return broker;
  };
  return {
    broker: await connect(),
    connect,
    disconnect: async (client) => links.get(client)?.()?.destroy(),
    close: async () => {
      await Promise.all([...links.keys()].map((broker) => broker.close()));
      await listener.close();
      await hub.close();
      await memory.close();
    },
  };
}
