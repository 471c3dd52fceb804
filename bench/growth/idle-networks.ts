import { join, type Network } from "../../src/index.ts";
import { serve } from "../harness/process.ts";

/** Joins the directory as often as it is told: each is a process of its own, as the others see it. */
await serve(async () => {
  const [directory] = process.argv.slice(2);
  const networks: Network[] = [];
  return {
    answer: async (count) => {
      for (let left = Number(count); left > 0; left--) {
        networks.push(await join({ url: `embedded:${directory}`, drainOnSignals: false }));
      }
    },
    close: async () => {
      await Promise.all(networks.map((network) => network.close()));
    },
  };
});
