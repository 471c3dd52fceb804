import { join } from "../../src/index.ts";
import { serve } from "../harness/process.ts";

/** Subscribes to `orders.N` for N in the ranges it is told, and publishes again what it hears. */
await serve(async () => {
  const [directory] = process.argv.slice(2);
  const net = await join(`embedded:${directory}`);
  const agent = await net.agent(`subscriber-${process.pid}`);
  return {
    answer: async (question) => {
      const { from, to } = question as { readonly from: number; readonly to: number };
      const numbers = Array.from({ length: to - from }, (_, index) => from + index);
      await Promise.all(
        numbers.map((number) =>
          agent.subscribe(`orders.${number}`, (data) => void agent.publish("heard", data)),
        ),
      );
    },
    close: () => net.close(),
  };
});
