import { join } from "../../src/index.ts";
import { serve } from "../harness/process.ts";

/** Owns the store of a directory, and does nothing else. Answers with its resident memory, bytes. */
await serve(async () => {
  const [directory] = process.argv.slice(2);
  const net = await join(`embedded:${directory}`);
  return {
    answer: async () => process.memoryUsage.rss(),
    close: () => net.close(),
  };
});
