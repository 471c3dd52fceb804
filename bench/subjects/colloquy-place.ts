/** Where Colloquy's processes of a subject meet: a directory with an owner that does nothing else, or a server. */
import { temporaryDirectory } from "../harness/directory.ts";
import { startProcess } from "../harness/process.ts";
import { startNatsServer } from "../servers/nats-server.ts";
import { startRedisServer } from "../servers/redis-server.ts";

export interface Place {
  /** What every process joins. */
  readonly url: string;
  close(): Promise<void>;
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  embedded: async () => {
    const directory = temporaryDirectory();
    const owner = await startProcess(new URL("./colloquy-owner.ts", import.meta.url), [
      directory.path,
    ]);
    return {
      url: `embedded:${directory.path}`,
      close: async () => {
        await owner.stop();
        directory.remove();
      },
    };
  },
  nats: async () => {
    const server = await startNatsServer({ jetStream: true, flush: "always" });
    return { url: `nats://${server.address}`, close: () => server.stop() };
  },
  redis: async () => {
    const server = await startRedisServer();
    return { url: server.url, close: () => server.stop() };
  },
};

/** @param module - of the subject; `?over=NAME` in its URL names the place, and without it is "embedded". */
export async function openPlace(module: string): Promise<Place> {
  const name = new URL(module).searchParams.get("over") ?? "embedded";
  const open = places[name];
  if (open === undefined) throw new Error(`?over=${name}: none of ${Object.keys(places)}`);
  return open();
}
