/** What a server says to everybody who connects, before TLS and before it asks who they are. */
import { createConnection } from "node:net";
import { jsonObject } from "./json-object.ts";

/** As far as it tells why a client could not connect. */
export interface Greeting {
  /** It asks for certificates. */
  readonly tls_verify?: boolean;
}

/** What is longer is no greeting. */
const bytesMax = 65_536;

/**
 * @param server - HOST:PORT.
 * @returns undefined where none comes in time.
 */
export function greetingOf(server: string, timeoutMs: number): Promise<Greeting | undefined> {
  const { hostname, port } = new URL(`nats://${server}`);
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = createConnection({ host, port: Number(port), timeout: timeoutMs });
    const end = (greeting?: Greeting) => {
      socket.destroy();
      resolve(greeting);
    };
    socket
      .on("timeout", () => end())
      .on("error", () => end())
      .on("end", () => end());
    socket.on("data", (data) => {
      heard = Buffer.concat([heard, data]);
      const lineEnd = heard.indexOf("\r\n");
      if (lineEnd === -1 && heard.length < bytesMax) return;
      const line = heard.subarray(0, Math.max(0, lineEnd));
      const isGreeting = line.toString("latin1", 0, 5) === "INFO ";
      end(isGreeting ? (jsonObject(line.subarray(5)) as Greeting | undefined) : undefined);
    });
  });
}
