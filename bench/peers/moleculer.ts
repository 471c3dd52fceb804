/** Moleculer, with its defaults but for logging: https://moleculer.services */

/** The part of Moleculer that the benchmark uses. */
export interface MoleculerBroker {
  createService(schema: MoleculerService): unknown;
  start(): Promise<void>;
  stop(): Promise<void>;
  waitForServices(name: string): Promise<unknown>;
  call(action: string, params: object): Promise<unknown>;
  emit(event: string, data: object): Promise<unknown>;
}

export interface MoleculerService {
  readonly name: string;
  readonly actions?: Readonly<Record<string, (context: { params: object }) => unknown>>;
  readonly events?: Readonly<Record<string, (context: { params: object }) => void>>;
}

interface MoleculerModule {
  readonly ServiceBroker: new (options: object) => MoleculerBroker;
}

/** The specifier is no literal, so that the type check does not need the package to be installed. */
const specifier: string = "moleculer";

/** @param options - what the broker gets beside silence, say a transporter. */
export async function createMoleculerBroker(options: object = {}): Promise<MoleculerBroker> {
  const { ServiceBroker } = (await import(specifier)) as MoleculerModule;
  return new ServiceBroker({ logger: false, ...options });
}

export const echoService: MoleculerService = {
  name: "orders",
  actions: { echo: async (context) => context.params },
};

/** The two ends know each other's address from the start: nothing is discovered by multicast. */
export function tcpNode(
  name: "requester" | "handler",
  ports: { readonly requester: number; readonly handler: number },
): object {
  return {
    nodeID: name,
    transporter: {
      type: "TCP",
      options: {
        port: ports[name],
        udpDiscovery: false,
        useHostname: false,
        urls: [`127.0.0.1:${ports.requester}/requester`, `127.0.0.1:${ports.handler}/handler`],
      },
    },
  };
}

export function natsNode(name: "requester" | "handler", address: string): object {
  return { nodeID: name, transporter: `nats://${address}` };
}
