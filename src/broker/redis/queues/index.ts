/** Durable work over Redis: what a broker makes its `queues` with. */
import type { Queues } from "../../broker.ts";
import type { RedisPorts } from "../broker.ts";
import { RedisQueues } from "./port.ts";

/** Before the connection of `ports` is opened. */
export function redisQueues({ connection, subscriptions, topics }: RedisPorts): Queues {
  return new RedisQueues(connection, subscriptions, topics);
}
