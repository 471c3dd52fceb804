// The first process: an agent that waits to be asked. Start it, and then asker.ts beside it.
import { join } from "colloquy";

// The nearest .colloquy/ directory, made here if there is none: every process that joins it is
// connected to every other. There is no server to start.
const net = await join();
const greeter = await net.agent("greeter");

// A request wants an answer now.
greeter.handle("greet", (name) => `Hello, ${name}!`);

// A command is kept on disk until it is done, also while this process is not running.
greeter.handle("remember", (name) => console.log(`I shall remember ${name}.`));

console.log("The greeter is here. Ctrl-C ends it.");
