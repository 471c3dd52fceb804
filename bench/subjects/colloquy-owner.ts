import { rmSync } from "node:fs";
import { join } from "../../src/index.ts";
import { serve } from "../harness/process.ts";

/**
 * Owns the store of a directory, and does nothing else. Answers with its resident memory, bytes. With
 * `remove` as second argument the directory goes with it.
 */
await serve(async () => {
  const [directory = "", atEnd] = process.argv.slice(2);
  const net = await join(`embedded:${directory}`);
  return {
    answer: async () => process.memoryUsage.rss(),
    close: async () => {
      await net.close();
      if (atEnd === "remove") rmSync(directory, { recursive: true, force: true });
    },
  };
});
