// A handler that asks somebody and does not wait for what comes of it.
import { join } from "colloquy";

const net = await join("memory:", { drainOnSignals: false });
const agent = await net.agent("a");
agent.handle("careless", (_input, context) => void context.request("agent:nobody", "x"));
process.once("unhandledRejection", ({ code }: { code: string }) => console.log(code));
await agent.request("agent:a", "careless");
await new Promise(setImmediate);
await net.close();
