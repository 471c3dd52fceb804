import { join } from "node:path";
import { type HubBroker, openHubBroker } from "../../src/broker/hub.ts";
import { readHubFile } from "../../src/hub/embedded/hub-file.ts";
import { connectUnix } from "../../src/link/unix.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { serve } from "../harness/process.ts";

/** A hub takes only so many at a time that have not said who they are. */
const atATime = 64;

/** Connects as many clients to the hub of a directory as it is told. They do nothing. */
await serve(async () => {
  const [directory = ""] = process.argv.slice(2);
  const hub = readHubFile(join(directory, "hub.json"));
  if (hub === undefined) throw new Error(`no hub over ${directory}`);
  const brokers: HubBroker[] = [];
  const connect = async (): Promise<void> => {
    brokers.push(
      await openHubBroker({
        connect: connectUnix(hub.socket),
        clock: systemClock,
        random: systemRandom,
        name: "idle",
      }),
    );
  };
  return {
    answer: async (count) => {
      for (let left = Number(count); left > 0; left -= atATime) {
        await Promise.all(Array.from({ length: Math.min(left, atATime) }, connect));
      }
    },
    close: async () => {
      await Promise.all(brokers.map((broker) => broker.close()));
    },
  };
});
