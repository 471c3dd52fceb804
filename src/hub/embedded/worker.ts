/** Entry of the owner's worker thread: the hub, over the store, for this process and all others. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { ColloquyError, errorInfo } from "../../errors.ts";
import type { Listener } from "../../link/link.ts";
import { MessagePortLink } from "../../link/message-port.ts";
import { listenUnix } from "../../link/unix.ts";
import { systemClock } from "../../runtime/clock.ts";
import { systemRandom } from "../../runtime/random.ts";
import { ulidSource } from "../../runtime/ulid.ts";
import { Hub } from "../hub.ts";
import type { Probe } from "../probe.ts";
import { writeHubFile } from "./hub-file.ts";
import { openSharedStore, type SharedStore } from "./shared-store.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./worker-protocol.ts";

/** How this process is named to itself, where a session's peer is shown. */
const ownPeer = "the owner's own process";

async function serve(parent: MessagePort, options: WorkerOptions): Promise<void> {
  const probe = await loadProbe(options.probeModule);
  const { reserveBytes } = options;
  const store = openSharedStore(options.directory, {
    clock: systemClock,
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
  });
  probe?.("opened");
  const id = ulidSource(systemClock, systemRandom)();
  const hub = new Hub({
    broker: store,
    clock: systemClock,
    id,
    ...(probe === undefined ? {} : { probe }),
  });
  const listener = await listenUnix(options.socket, (link) => hub.accept(link));
  writeHubFile(options.hubFile, { hub: id, socket: options.socket, process: process.pid });
  probe?.("listening");
  const closing = { asked: false };
  parent.on("message", (message: ToWorker) => {
    if (message.kind === "link") {
      hub.accept(new MessagePortLink(message.port, ownPeer));
      return;
    }
    closing.asked = true;
    close(listener, hub, store).then(() => parent.close(), fail);
  });
  tell({ kind: "ready" });
  // A store that failed serves nobody; the next owner opens it anew and looks at what is there.
  const failure = await store.failed;
  if (!closing.asked) fail(failure);
}

async function close(listener: Listener, hub: Hub, store: SharedStore): Promise<void> {
  await listener.close();
  await hub.close();
  await store.close();
}

function fail(error: unknown): void {
  tell({ kind: "failed", error: errorInfo(error) });
  process.exit(1);
}

function tell(message: FromWorker): void {
  parentPort?.postMessage(message);
}

async function loadProbe(module: string | undefined): Promise<Probe | undefined> {
  if (module === undefined) return undefined;
  const { probe } = (await import(module)) as { readonly probe?: Probe };
  if (typeof probe === "function") return probe;
  throw new ColloquyError("INVALID_OPTION", `probeModule: ${module} exports no probe`);
}

if (parentPort !== null) serve(parentPort, workerData as WorkerOptions).catch(fail);
