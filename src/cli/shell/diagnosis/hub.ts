/** A hub: whether it can be reached, lets this client in, and what it promises to survive. */
import type { Durability } from "../../../broker/broker.ts";
import { type HubBroker, openHubBroker } from "../../../broker/hub.ts";
import { type ErrorInfo, errorInfo, isColloquyError } from "../../../errors.ts";
import { invalidOption } from "../../../exchange/options.ts";
import { shownUrl } from "../../../link/shown-url.ts";
import { hubAddress } from "../../../network/hub-url.ts";
import { onAbort, withAbort } from "../../../runtime/abort.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { environmentVariable } from "../../../runtime/environment.ts";
import { systemRandom } from "../../../runtime/random.ts";
import { type HubFlags, tlsOf } from "../fabric.ts";
import { durabilityFinding } from "./durability.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

/** How long a round trip may take before it is worth a warning, milliseconds. */
const slowMs = 250;

export async function checkHub(
  url: string,
  flags: HubFlags,
  wanted: Durability | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly Finding[]> {
  const opening = open(url, flags);
  let broker: HubBroker;
  try {
    broker = await withAbort(opening, signal);
  } catch (error) {
    // Given up while it opened: whatever comes of it is not used.
    opening.then((late) => late.close()).catch(() => {});
    if (isColloquyError(error, "INVALID_OPTION")) throw error;
    return [refused(url, errorInfo(error))];
  }
  const forget = onAbort(signal, () => void broker.close());
  try {
    const beganMs = systemClock.monotonicMs();
    const mailboxes = await broker.queues.mailboxes();
    const tookMs = Math.ceil(systemClock.monotonicMs() - beganMs);
    return [
      ok("hub", `${shownUrl(url)}, ${broker.name}`),
      tookMs > slowMs
        ? warn("round trip", `${tookMs} ms`, "look at the load of the hub, and the way to it")
        : ok("round trip", `${tookMs} ms, ${mailboxes.length} mailboxes`),
      durabilityFinding(broker.capabilities.durability, { wanted, remedy: remedies(broker) }),
    ];
  } catch (error) {
    return [refused(url, errorInfo(error))];
  } finally {
    forget();
    await broker.close();
  }
}

/** @throws INVALID_OPTION for a URL or a file that is none. */
async function open(url: string, flags: HubFlags): Promise<HubBroker> {
  const address = hubAddress(url, tlsOf(flags));
  if (address === undefined) throw invalidOption("url", shownUrl(url), "the address of a hub");
  const credential = flags.token ?? environmentVariable("COLLOQUY_TOKEN");
  return openHubBroker({
    ...address,
    ...(credential === undefined ? {} : { credential }),
    clock: systemClock,
    random: systemRandom,
    name: "colloquy doctor",
  });
}

function refused(url: string, { code, message, details }: ErrorInfo): Finding {
  const told = details?.["fix"];
  if (typeof told === "string") return fail("hub", message.replace(`; ${told}`, ""), told);
  const found = `${shownUrl(url)}: ${message}`;
  switch (code) {
    case "UNAUTHORIZED":
      return fail("hub", found, "give the hub's token: --token, or COLLOQUY_TOKEN");
    case "FORBIDDEN":
      return warn("hub", found, "it is there; this client may not look further");
    case "INVALID_VERSION":
    case "INVALID_MESSAGE":
      return fail(
        "hub",
        found,
        "what listens there is no hub of this version: upgrade the older one",
      );
    case "RATE_LIMITED":
      return fail("hub", found, "let the hub take more clients: --connections-max");
    default:
      return fail(
        "hub",
        found,
        "start it, colloquy serve, or look for what is between: address, firewall, certificate",
      );
  }
}

function remedies({ capabilities }: HubBroker): string {
  switch (capabilities.durability.level) {
    case "none":
      return "for work that must last: serve a directory";
    case "process":
      return "keep the store on a disk of this machine that is flushed";
    default:
      return "one machine cannot outlive itself: take a cluster, see docs/brokers.md";
  }
}
