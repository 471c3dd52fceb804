/** A real connection to a NATS server that loses some of what is published: it is never answered. */
import type { NatsClient, NatsHeaders } from "../../../src/broker/nats/client.ts";

/** What is published, as far as it decides whether it is lost. */
export interface Published {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** One of an atomic batch. */
  readonly isOfBatch: boolean;
  readonly headers: NatsHeaders | undefined;
}

/** A connection that loses what `loses` is true of. */
export function losing(client: NatsClient, loses: (published: Published) => boolean): NatsClient {
  const publish: NatsClient["publish"] = (subject, payload, options) => {
    const headers = options?.headers as NatsHeaders | undefined;
    const isOfBatch = (headers?.get("Nats-Batch-Id") ?? "") !== "";
    if (!loses({ subject, payload, isOfBatch, headers })) client.publish(subject, payload, options);
  };
  return new Proxy(client, {
    get: (target, name) => {
      if (name === "publish") return publish;
      const value = target[name as keyof NatsClient];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
