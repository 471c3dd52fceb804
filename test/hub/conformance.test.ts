/** The broker that a hub shares is the broker that its clients have, over real sockets that break. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import type { Broker } from "../../src/broker/broker.ts";
import { openHubBroker } from "../../src/broker/hub.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { AcceptLink, Connect, Link, Listener } from "../../src/link/link.ts";
import { connectTcp, listenTcp } from "../../src/link/tcp.ts";
import { connectUnix, listenUnix } from "../../src/link/unix.ts";
import { connectWebSocket } from "../../src/link/websocket.ts";
import { listenWebSocket } from "../../src/link/websocket-listener.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { systemRandom as random } from "../../src/runtime/random.ts";
import { brokerCases, casesFor, type Subject } from "../../src/testing/index.ts";
import { authority, clientCertificate, hubCertificate } from "../support/certificates.ts";
import { extent } from "../support/extent.ts";

const directory = mkdtempSync(join(tmpdir(), "colloquy-hub-"));
let sockets = 0;

afterAll(() => rmSync(directory, { recursive: true }));

interface Kind {
  readonly listen: (accept: AcceptLink) => Promise<Listener>;
  readonly connect: (address: string) => Connect;
}

const trusting = { ca: authority };

const kinds: Record<string, Kind> = {
  "a Unix socket": {
    listen: (accept) => listenUnix(join(directory, `${++sockets}.sock`), accept),
    connect: connectUnix,
  },
  TCP: {
    listen: (accept) => listenTcp({ port: 0 }, accept),
    connect: (address) => connectTcp(hostPort(address)),
  },
  "TLS with certificates on both sides": {
    listen: (accept) => listenTcp({ port: 0, tls: { ...hubCertificate, ...trusting } }, accept),
    connect: (address) =>
      connectTcp({ ...hostPort(address), tls: { ...clientCertificate, ...trusting } }),
  },
  "a WebSocket": {
    listen: (accept) => listenWebSocket({ port: 0 }, accept),
    connect: (url) => connectWebSocket({ url }),
  },
};

const { capabilities } = openMemoryBroker();
const abilities = { disconnect: true, unheard: true };
/** The other links differ below the hub, and have all cases of links. */
const tried = Object.entries(kinds).slice(0, extent({ ci: 4, here: 2 }));
for (const [kind, over] of tried) {
  describe(`over ${kind}`, () => {
    for (const { name, run } of casesFor(capabilities, brokerCases, abilities)) {
      test.concurrent(name, () => run(() => openSubject(over)));
    }
  });
}

async function openSubject(over: Kind): Promise<Subject> {
  const memory = openMemoryBroker();
  const hub = new Hub({ broker: memory, clock, id: "hub" });
  const listener = await over.listen((link) => hub.accept(link));
  /** The present link of each client. */
  const links = new Map<Broker, () => Link | undefined>();
  const connect = async (): Promise<Broker> => {
    let link: Link | undefined;
    const connectLink = async (signal: AbortSignal): Promise<Link> => {
      link = await over.connect(listener.address)(signal);
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

function hostPort(address: string): { readonly host: string; readonly port: number } {
  const { hostname: host, port } = new URL(address.replace(/^[a-z]+/, "http"));
  return { host, port: Number(port) };
}
