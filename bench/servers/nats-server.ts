/** nats-server as it comes, on loopback; JetStream, where asked for, in an empty directory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findServer } from "../../scripts/brokers/find-server.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { freePort } from "../harness/free-port.ts";
import { connectNats } from "../peers/nats.ts";
import { startServer } from "./server-process.ts";

export interface NatsServer {
  /** `host:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

export interface NatsServerOptions {
  readonly jetStream?: boolean;
  /** Of what JetStream stores: before every acknowledgement, or every two minutes as it comes. */
  readonly flush?: "always" | "as installed";
}

export async function startNatsServer({
  jetStream = false,
  flush = "as installed",
}: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = findServer("nats")?.path;
  if (binary === undefined) throw new Error("no nats-server");
  const directory = temporaryDirectory();
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const args = ["-a", "127.0.0.1", "-p", String(port)];
  if (jetStream && flush === "always") {
    const file = join(directory.path, "server.conf");
    writeFileSync(file, `jetstream { store_dir: "${directory.path}", sync_interval: always }\n`);
    args.push("-c", file);
  } else if (jetStream) {
    args.push("-js", "-sd", directory.path);
  }
  const ready = async (): Promise<void> => (await connectNats(address)).close();
  const server = await startServer(binary, args, { ready });
  return {
    address,
    stop: async () => {
      await server.stop();
      directory.remove();
    },
  };
}
