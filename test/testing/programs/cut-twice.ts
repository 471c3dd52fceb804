/** A connection through the proxy is ended, and reset before that is done: the process has to end by itself. */
import { once } from "node:events";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { FaultProxy, SeededRandom } from "colloquy/testing";

const server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
const proxy = await FaultProxy.open({ target: { port }, random: new SeededRandom(1) });
const client = createConnection({ port: proxy.port, host: "127.0.0.1" });
client.on("error", () => {});
client.write("x");
await once(server, "connection");
proxy.cut("fin");
await proxy.close();
server.close();
client.destroy();
