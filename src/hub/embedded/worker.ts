/** Entry of the owner's worker thread: the hub, over the store, for this process and all others. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { ColloquyError, errorInfo } from "../../errors.ts";
import type { Listener } from "../../link/link.ts";
import { MessagePortLink } from "../../link/message-port.ts";
import { listenUnix } from "../../link/unix.ts";
import { systemClock } from "../../runtime/clock.ts";
import { systemRandom } from "../../runtime/random.ts";
import { ulidSource } from "../../runtime/ulid.ts";
import { packageVersion } from "../../runtime/version.ts";
import { certificateIdentity, localIdentity, sharedToken } from "../authentication.ts";
import type { HealthSource } from "../health.ts";
import { Hub, type HubOptions } from "../hub.ts";
import { defaultHubLimits } from "../limits.ts";
import type { Probe } from "../probe.ts";
import { writeHubFile } from "./hub-file.ts";
import { isRemote, type Listening, type ListenOptions, listen } from "./listening.ts";
import { openSharedMemory, openSharedStore, type SharedStore } from "./shared-store.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./worker-protocol.ts";

/** How this process is named to itself, where a session's peer is shown. */
const ownPeer = "the owner's own process";

/** What runs here, in the order in which it was opened. */
interface Running {
  readonly store: SharedStore;
  readonly hub: Hub;
  readonly own: Listener | undefined;
  readonly others: Listening;
}

async function serve(parent: MessagePort, options: WorkerOptions): Promise<void> {
  const probe = await loadProbe(options.probeModule);
  const { listen: more = {}, socket, hubFile, hubLimits } = options;
  const store = openStore(options);
  probe?.("opened");
  const id = ulidSource(systemClock, systemRandom)();
  const hub = new Hub({
    broker: store,
    clock: systemClock,
    id,
    ...(hubLimits === undefined ? {} : { limits: hubLimits }),
    ...authenticatorOf(more),
    ...(probe === undefined ? {} : { probe }),
  });
  const stage = { draining: false, closing: false };
  const others = await listen(more, hub, healthOf(hub, store, stage));
  const own =
    socket === undefined
      ? undefined
      : await listenUnix(socket, (link) => hub.accept(link, localIdentity));
  if (hubFile !== undefined && socket !== undefined) {
    writeHubFile(hubFile, { hub: id, socket, process: process.pid });
  }
  probe?.("listening");
  parent.on("message", (message: ToWorker) => {
    if (message.kind === "link") {
      hub.accept(new MessagePortLink(message.port, ownPeer), localIdentity);
      return;
    }
    stage.draining = true;
    if (message.kind === "drain" || stage.closing) return;
    stage.closing = true;
    close({ store, hub, own, others }).then(() => parent.close(), fail);
  });
  tell({ kind: "ready", endpoints: others.endpoints });
  // A store that failed serves nobody; the next owner opens it anew and looks at what is there.
  const failure = await store.failed;
  if (!stage.closing) fail(failure);
}

/** Who comes by a Unix socket or from this process is not asked. */
function authenticatorOf({ token, tls }: ListenOptions): Pick<HubOptions, "authenticate"> {
  if (token !== undefined) return { authenticate: sharedToken(token) };
  return tls?.ca === undefined ? {} : { authenticate: certificateIdentity };
}

function openStore(options: WorkerOptions): SharedStore {
  const { directory, reserveBytes, listen: more = {}, storeLimits } = options;
  // Clients behind a network get as long to claim what they hold as their sessions would keep it.
  const patience = { reconnectGraceMs: defaultHubLimits.remoteReconnectGraceMs };
  const limits = { ...(isRemote(more) ? patience : {}), ...storeLimits };
  if (directory === undefined) return openSharedMemory({ clock: systemClock, limits });
  return openSharedStore(directory, {
    clock: systemClock,
    limits,
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
  });
}

/** What is told of the hub; its clients and its durability are looked up each time. */
function healthOf(
  hub: Hub,
  store: SharedStore,
  stage: { readonly draining: boolean },
): HealthSource {
  const { capabilities } = store.connect("health");
  const openedMs = systemClock.monotonicMs();
  const version = packageVersion();
  return () => ({
    status: stage.draining ? "draining" : "ready",
    version,
    hub: hub.id,
    process: process.pid,
    uptimeMs: Math.round(systemClock.monotonicMs() - openedMs),
    connections: hub.sessions,
    durability: capabilities.durability,
  });
}

/** Nobody else comes in, everybody is told, what they sent is kept; health is told until the end. */
async function close({ store, hub, own, others }: Running): Promise<void> {
  await own?.close();
  await others.closeToClients();
  await hub.close();
  await store.close();
  await others.close();
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
