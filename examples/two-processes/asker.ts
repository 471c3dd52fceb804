// The second process: asks the greeter, and leaves it something to do.
import assert from "node:assert/strict";
import { join } from "colloquy";

const net = await join();
const asker = await net.agent("asker");

const greeting = await asker.request("agent:greeter", "greet", "world");
console.log(greeting);

// Resolves as soon as the command is safe on disk; the receipt tells what became of it.
const receipt = await asker.send("agent:greeter", "remember", "world");
const outcome = await receipt.settled();
console.log(`The command is ${outcome.state}.`);

await net.close();
assert.equal(greeting, "Hello, world!");
assert.equal(outcome.state, "done");
