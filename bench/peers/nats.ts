/** The part of nats.js that the benchmark uses: https://github.com/nats-io/nats.js */

export interface NatsMessage {
  readonly data: Uint8Array;
  readonly subject: string;
  respond(data: Uint8Array): boolean;
  json<Value>(): Value;
}

export interface NatsConnection {
  publish(subject: string, data: Uint8Array, options?: { readonly reply: string }): void;
  request(
    subject: string,
    data: Uint8Array,
    options: { readonly timeout: number },
  ): Promise<NatsMessage>;
  subscribe(
    subject: string,
    options: { readonly callback: (error: Error | null, message: NatsMessage) => void },
  ): unknown;
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface NatsModule {
  connect(options: object): Promise<NatsConnection>;
}

export interface JetStreamManager {
  readonly streams: { add(configuration: object): Promise<unknown> };
  readonly consumers: { add(stream: string, configuration: object): Promise<unknown> };
}

export interface JetStreamClient {
  publish(subject: string, data: Uint8Array): Promise<{ readonly seq: number }>;
  readonly consumers: { get(stream: string, consumer: string): Promise<JetStreamConsumer> };
}

export interface JetStreamConsumer {
  consume(options: {
    readonly max_messages: number;
    readonly callback: (message: JetStreamMessage) => void;
  }): Promise<unknown>;
}

export interface JetStreamMessage {
  readonly seq: number;
  ack(): void;
  /** Resolves to whether the server has confirmed it. */
  ackAck(): Promise<boolean>;
  json<Value>(): Value;
}

interface JetStreamModule {
  jetstream(connection: NatsConnection): JetStreamClient;
  jetstreamManager(connection: NatsConnection): Promise<JetStreamManager>;
}

/** The specifiers are no literals, so that the type check does not need the packages to be installed. */
const coreSpecifier: string = "@nats-io/transport-node";
const jetStreamSpecifier: string = "@nats-io/jetstream";

/** @param address - `host:port`. */
export async function connectNats(address: string): Promise<NatsConnection> {
  const { connect } = (await import(coreSpecifier)) as NatsModule;
  return connect({ servers: address, reconnect: false });
}

export async function importJetStream(): Promise<JetStreamModule> {
  return (await import(jetStreamSpecifier)) as JetStreamModule;
}
