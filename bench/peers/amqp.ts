/** The part of amqplib that the benchmark uses: https://amqp-node.github.io/amqplib */

export interface AmqpConnection {
  createChannel(): Promise<AmqpChannel>;
  createConfirmChannel(): Promise<AmqpConfirmChannel>;
  on(event: "error", listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

export interface AmqpChannel {
  assertQueue(queue: string, options: object): Promise<{ readonly queue: string }>;
  prefetch(count: number): Promise<unknown>;
  consume(
    queue: string,
    listener: (message: AmqpMessage | null) => void,
    options?: { readonly noAck: boolean },
  ): Promise<unknown>;
  sendToQueue(queue: string, content: Uint8Array, options: AmqpProperties): boolean;
  ack(message: AmqpMessage, allUpTo: boolean): void;
}

export interface AmqpConfirmChannel extends AmqpChannel {
  sendToQueue(
    queue: string,
    content: Uint8Array,
    options: AmqpProperties,
    confirmed?: (error: Error | null) => void,
  ): boolean;
}

export interface AmqpProperties {
  readonly persistent?: boolean;
  readonly messageId?: string;
}

export interface AmqpMessage {
  readonly content: Buffer;
  readonly properties: { readonly messageId: string };
}

interface AmqpModule {
  connect(url: string, options: { readonly noDelay: boolean }): Promise<AmqpConnection>;
}

/** The specifier is no literal, so that the type check does not need the package to be installed. */
const specifier: string = "amqplib";

export async function connectAmqp(url: string): Promise<AmqpConnection> {
  const { connect } = (await import(specifier)) as AmqpModule;
  const connection = await connect(url, { noDelay: true });
  connection.on("error", () => {});
  return connection;
}
