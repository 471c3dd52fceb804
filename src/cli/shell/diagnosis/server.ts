/** A server of others' making, such as NATS or Redis: whether it can be reached, and how it is set. */
import type { Durability } from "../../../broker/broker.ts";
import { coversDurability } from "../../../broker/durability.ts";
import type { ProbeCheck } from "../../../broker/probe.ts";
import { type ErrorInfo, errorInfo, isColloquyError } from "../../../errors.ts";
import { openServerBroker, type ServerBroker } from "../../../network/server-broker.ts";
import { withAbort } from "../../../runtime/abort.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { environmentVariable } from "../../../runtime/environment.ts";
import { systemRandom } from "../../../runtime/random.ts";
import { type HubFlags, tlsOf } from "../fabric.ts";
import { durabilityFinding } from "./durability.ts";
import { type Finding, fail, ok } from "./finding.ts";

/** @param wanted - what does not cover it is a failure, and so is every setting that is not as it should be. */
export async function checkServer(
  url: string,
  flags: HubFlags,
  wanted: Durability | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly Finding[]> {
  const opening = openServerBroker(url, {
    context: { clock: systemClock, random: systemRandom, name: "colloquy doctor" },
    tls: tlsOf(flags),
    token: flags.token ?? environmentVariable("COLLOQUY_TOKEN"),
  });
  let broker: ServerBroker;
  try {
    broker = await withAbort(opening, signal);
  } catch (error) {
    // Given up while it opened: whatever comes of it is not used.
    opening.then((late) => late.close()).catch(() => {});
    if (isColloquyError(error, "INVALID_OPTION")) throw error;
    return [refused(errorInfo(error))];
  }
  const { name, checks, capabilities } = broker;
  await broker.close();
  const { durability } = capabilities;
  const isCovered = wanted === undefined || coversDurability(durability.level, wanted);
  return [
    ok("server", name),
    ...checks.map((check) => settingFinding(check, isCovered)),
    durabilityFinding(durability, {
      wanted,
      remedy: checks.every(({ ok: isOk }) => isOk === true)
        ? "no setting of it gives more: choose another broker, see docs/brokers.md"
        : "set the server up as said above",
    }),
  ];
}

function settingFinding({ name, ok: isOk, found, wanted, fix }: ProbeCheck, isCovered: boolean) {
  if (isOk === true) return ok(name, found);
  const verdict = isCovered ? "warn" : "fail";
  return { check: name, verdict, found: `${found}; wanted ${wanted}`, remedy: fix } as const;
}

function refused({ code, message, details }: ErrorInfo): Finding {
  const told = details?.["fix"];
  if (typeof told === "string" && told !== "") {
    // Once, where it belongs.
    return fail("server", message.replace(`; ${told}`, ""), told);
  }
  switch (code) {
    case "UNSUPPORTED":
    case "INVALID_VERSION":
      return fail("server", message, "do what it says");
    case "UNAUTHORIZED":
      return fail("server", message, "give user and password in the URL, or --token");
    default:
      return fail(
        "server",
        message,
        "start it, or look for what is between: address, firewall, certificate",
      );
  }
}
