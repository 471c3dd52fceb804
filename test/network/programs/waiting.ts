// Waits for nothing but timers of the fabric, then leaves. Ends by itself, or was cut short.
import { join } from "colloquy";

const net = await join("memory:", { drainMs: 50, drainOnSignals: false });
const agent = await net.agent("a");
agent.handle("never", () => new Promise(() => {}));
agent.handle("LATER", () => "late");
const silent = agent.request("agent:a", "never", undefined, { timeoutMs: 100 });
await silent.catch(({ code }) => console.log(code));
const receipt = await agent.send("agent:a", "LATER", undefined, { deliverAt: Date.now() + 100 });
console.log((await receipt.settled()).state);
void net.close();
