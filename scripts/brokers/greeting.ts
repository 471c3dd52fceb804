import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Server } from "./servers.ts";

/** How long an answer may take. */
export const patienceMs = 5_000;
const charactersMax = 65_536;
/** Of either: Redis says so while it loads what it has on disk. */
const refusal = /^-/m;

/** Whether whoever listens on this port of the loopback interface is such a server, and takes work. */
export function answers({ question, answer }: Server["greeting"], port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const conclude = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    let heard = "";
    socket.setTimeout(patienceMs, () => conclude(false));
    socket.once("error", () => conclude(false));
    socket.once("close", () => conclude(false));
    socket.once("connect", () => socket.write(question));
    socket.setEncoding("latin1").on("data", (text: string) => {
      heard += text;
      if (answer.test(heard)) conclude(true);
      else if (refusal.test(heard) || heard.length > charactersMax) conclude(false);
    });
  });
}

/** Below those that systems hand out to whoever asks for any: nobody gets one while its server restarts. */
const [portMin, portMax] = [23_000, 32_000];
const attemptsMax = 100;

/** `preferred`, or without it, or where somebody listens on it, one that nobody listened on a moment ago. */
export async function freePort(preferred?: number): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = attempt === 0 && preferred !== undefined ? preferred : randomInt(portMin, portMax);
    const server = createServer();
    try {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error("no free port on 127.0.0.1");
}
