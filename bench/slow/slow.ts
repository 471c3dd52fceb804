import { join } from "node:path";
import { type HubBroker, openHubBroker } from "../../src/broker/hub.ts";
import { readHubFile } from "../../src/hub/embedded/hub-file.ts";
import type { Link } from "../../src/link/link.ts";
import { connectUnix } from "../../src/link/unix.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { serve } from "../harness/process.ts";
import type { SlowOne, SlowOrder } from "./orders.ts";

/** A slow one reads a chunk, at most 64 KiB, and then nothing for so long. */
const pauseMs = 1_000;

const never = new AbortController().signal;

interface Client {
  readonly broker: HubBroker;
  heard: number;
  dropped: number;
}

/** Subscribers that do not keep up with what is published. */
await serve(async () => {
  const [directory = ""] = process.argv.slice(2);
  const hub = readHubFile(join(directory, "hub.json"));
  if (hub === undefined) throw new Error(`no hub over ${directory}`);
  const clients: Client[] = [];
  let pace = slowPace();
  const connect = async (): Promise<void> => {
    const open = connectUnix(hub.socket);
    const broker = await openHubBroker({
      connect: async (signal) => slowed(await open(signal), pace.pause),
      clock: systemClock,
      random: systemRandom,
      name: "slow",
    });
    const client: Client = { broker, heard: 0, dropped: 0 };
    clients.push(client);
    await broker.topics.subscribe("tick.*", () => void client.heard++, never, {
      onDropped: (count) => {
        client.dropped += count;
      },
    });
  };
  return {
    answer: async (question) => {
      const order = question as SlowOrder;
      if (order.kind === "connect") {
        pace = slowPace();
        for (let left = order.count; left > 0; left--) await connect();
        pace.begin();
        return undefined;
      }
      pace.end();
      const fared = await Promise.all(clients.map((client) => finished(client, order.published)));
      await Promise.all(clients.splice(0).map(({ broker }) => broker.close()));
      return fared;
    },
    close: async () => {
      pace.end();
      await Promise.all(clients.map(({ broker }) => broker.close()));
    },
  };
});

/** Until it knows of everything that was published: it was heard, or it was told that it is lost. */
async function finished(client: Client, published: number): Promise<SlowOne> {
  const giveUpMs = performance.now() + 60_000;
  while (client.heard + client.dropped < published && performance.now() < giveUpMs) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { heard, dropped } = client;
  return { heard, dropped };
}

interface Pace {
  begin(): void;
  end(): void;
  /** Resolves when the next chunk may be read. */
  readonly pause: () => Promise<void> | undefined;
}

/** Quick until it begins, and again once it has ended. */
function slowPace(): Pace {
  let slow = false;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  return {
    begin: () => {
      slow = true;
    },
    end: () => {
      slow = false;
      resolve();
    },
    pause: () => {
      if (!slow) return undefined;
      return Promise.race([over, new Promise<void>((again) => setTimeout(again, pauseMs))]);
    },
  };
}

function slowed(link: Link, pause: Pace["pause"]): Link {
  return {
    peer: link.peer,
    send: (chunk) => link.send(chunk),
    drained: () => link.drained(),
    close: () => link.close(),
    destroy: () => link.destroy(),
    receive: async function* () {
      for await (const chunk of link.receive()) {
        yield chunk;
        await pause();
      }
    },
  };
}
