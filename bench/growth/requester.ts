import { keepInFlight } from "../harness/loops.ts";
import { assertPayload, payload } from "../harness/payload.ts";
import type { Sample } from "../harness/subject.ts";
import type { Fabric } from "./directory-of-processes.ts";

const inFlight = 64;

/** Requests to a handler in another process of the fabric. */
export async function requesterOf(
  fabric: Fabric,
): Promise<(durationMs: number) => Promise<Sample>> {
  await fabric.start(new URL("../subjects/colloquy-handler.ts", import.meta.url));
  const agent = await fabric.net.agent("requester");
  await fabric.net.waitFor({ id: "handler" });
  const request = async (): Promise<void> =>
    assertPayload(await agent.request("agent:handler", "orders.echo", payload));
  return (durationMs) => keepInFlight(inFlight, durationMs, request);
}
