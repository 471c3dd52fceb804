/** The broker that a hub shares is the broker that its clients have, over real sockets that break. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import type { Broker } from "../../src/broker/broker.ts";
import { openHubBroker } from "../../src/broker/hub.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Link } from "../../src/link/link.ts";
import { connectUnix, listenUnix } from "../../src/link/unix.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { systemRandom as random } from "../../src/runtime/random.ts";
import { brokerCases, casesFor, type Subject } from "../../src/testing/index.ts";

const directory = mkdtempSync(join(tmpdir(), "colloquy-hub-"));
let sockets = 0;

afterAll(() => rmSync(directory, { recursive: true }));

const { capabilities } = openMemoryBroker();
const abilities = { disconnect: true, unheard: true };
for (const { name, run } of casesFor(capabilities, brokerCases, abilities)) {
  test.concurrent(name, () => run(openSubject));
}

async function openSubject(): Promise<Subject> {
  const memory = openMemoryBroker();
  const hub = new Hub({ broker: memory, clock, id: "hub" });
  const path = join(directory, `${++sockets}.sock`);
  const listener = await listenUnix(path, (link) => hub.accept(link));
  /** The present link of each client. */
  const links = new Map<Broker, () => Link | undefined>();
  const connect = async (): Promise<Broker> => {
    let link: Link | undefined;
    const connectLink = async (signal: AbortSignal): Promise<Link> => {
      link = await connectUnix(path)(signal);
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
