/** Sharing a broker with other processes: the package's subpath "colloquy/hub". */
export {
  type HubBroker,
  type HubBrokerLimits,
  type HubBrokerOptions,
  openHubBroker,
} from "../broker/hub.ts";
export type { AcceptLink, Connect, Link, Listener } from "../link/link.ts";
export { MessagePortLink } from "../link/message-port.ts";
export { connectUnix, listenUnix } from "../link/unix.ts";
export { type Clock, systemClock } from "../runtime/clock.ts";
export { type Random, systemRandom } from "../runtime/random.ts";
export { type EmbeddedBroker, type EmbeddedOptions, openEmbedded } from "./embedded.ts";
export { Hub, type HubOptions } from "./hub.ts";
export type { HubLimits } from "./limits.ts";
export type { SharedBroker } from "./shared-broker.ts";
