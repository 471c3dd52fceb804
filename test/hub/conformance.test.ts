/** The broker that a hub shares is the broker that its clients have: over a socket, and between threads. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { afterAll, describe, test } from "vitest";
import type { Broker } from "../../src/broker/broker.ts";
import { openHubBroker } from "../../src/broker/hub.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Connect, Link } from "../../src/link/link.ts";
import { MessagePortLink } from "../../src/link/message-port.ts";
import { connectUnix, listenUnix } from "../../src/link/unix.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { systemRandom as random } from "../../src/runtime/random.ts";
import { brokerCases } from "../../src/testing/conformance/broker-cases.ts";
import { casesFor } from "../../src/testing/conformance/case.ts";
import type { Subject } from "../../src/testing/conformance/subject.ts";

const directory = mkdtempSync(join(tmpdir(), "colloquy-hub-"));
let sockets = 0;

afterAll(() => rmSync(directory, { recursive: true }));

interface Carrier {
  readonly connect: Connect;
  close(): Promise<void>;
}

const carriers: Readonly<Record<string, (hub: Hub) => Promise<Carrier>>> = {
  "over a Unix socket": async (hub) => {
    const path = join(directory, `${++sockets}.sock`);
    const listener = await listenUnix(path, (link) => hub.accept(link));
    return { connect: connectUnix(path), close: () => listener.close() };
  },
  "between threads": async (hub) => ({
    connect: async () => {
      const { port1, port2 } = new MessageChannel();
      hub.accept(new MessagePortLink(port2, "client"));
      return new MessagePortLink(port1, "hub");
    },
    close: async () => {},
  }),
};

const { capabilities } = openMemoryBroker();

for (const [how, carry] of Object.entries(carriers)) {
  describe(how, () => {
    for (const { name, run } of casesFor(capabilities, brokerCases, {
      disconnect: true,
      unheard: true,
    })) {
      test.concurrent(name, () => run(() => openSubject(carry)));
    }
  });
}

async function openSubject(carry: (hub: Hub) => Promise<Carrier>): Promise<Subject> {
  const memory = openMemoryBroker();
  const hub = new Hub({ broker: memory, clock, id: "hub" });
  const carrier = await carry(hub);
  const links = new Map<Broker, Link>();
  const connect = async (): Promise<Broker> => {
    let broker: Broker | undefined;
    let first: Link | undefined;
    const linked: Connect = async (signal) => {
      const link = await carrier.connect(signal);
      if (broker === undefined) first = link;
      else links.set(broker, link);
      return link;
    };
    broker = await openHubBroker({ connect: linked, clock, random, name: "client" });
    if (!links.has(broker)) links.set(broker, first as Link);
    return broker;
  };
  return {
    broker: await connect(),
    connect,
    disconnect: async (client) => links.get(client)?.destroy(),
    close: async () => {
      await Promise.all([...links.keys()].map((broker) => broker.close()));
      await carrier.close();
      await hub.close();
      await memory.close();
    },
  };
}
