/** A program in an install that lacks every optional peer: says what came of each URL, and which were looked for. */
import { registerHooks } from "node:module";

const lookedFor: string[] = [];
registerHooks({
  resolve: (specifier, context, next) => {
    if (!/^@(nats-io|redis)\//.test(specifier)) return next(specifier, context);
    lookedFor.push(specifier);
    const error = new Error(`Cannot find package '${specifier}'`);
    throw Object.assign(error, { code: "ERR_MODULE_NOT_FOUND" });
  },
});

const { join } = await import("colloquy");
const net = await join("memory:");
await net.close();
const before = lookedFor.length;
const outcomes: unknown[] = [];
for (const url of process.argv.slice(2)) {
  outcomes.push(await join(url, { drainOnSignals: false }).catch((error: unknown) => error));
}
process.stdout.write(JSON.stringify({ before, outcomes }));
