/** Sharing a broker with other processes: the package's subpath "colloquy/hub". */
export {
  type HubBroker,
  type HubBrokerLimits,
  type HubBrokerOptions,
  openHubBroker,
} from "../broker/hub.ts";
export type {
  AcceptLink,
  Connect,
  Link,
  LinkHost,
  Listener,
  PeerCertificate,
} from "../link/link.ts";
export { MessagePortLink } from "../link/message-port.ts";
export {
  connectTcp,
  type ListenTcpOptions,
  listenTcp,
  type TcpAddress,
} from "../link/tcp.ts";
export type { ClientTls, Pem, ServerTls } from "../link/tls-options.ts";
export { connectUnix, listenUnix } from "../link/unix.ts";
export { connectWebSocket, type WebSocketAddress } from "../link/websocket.ts";
export {
  type ListenWebSocketOptions,
  listenWebSocket,
  type TakeUpgrade,
  type WebSocketIntakeOptions,
  webSocketIntake,
} from "../link/websocket-listener.ts";
export { type Clock, systemClock } from "../runtime/clock.ts";
export { type Random, systemRandom } from "../runtime/random.ts";
export {
  type Authenticate,
  certificateIdentity,
  type Identity,
  localIdentity,
  sharedToken,
} from "./authentication.ts";
export type { Action } from "./authorisation.ts";
export { type EmbeddedBroker, type EmbeddedOptions, openEmbedded } from "./embedded.ts";
export { Hub, type HubOptions } from "./hub.ts";
export type { HubLimits } from "./limits.ts";
export type { SharedBroker } from "./shared-broker.ts";
