/** Requests and streams to other processes, as their askers hold them. */
import { ColloquyError } from "../../errors.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { windowDefault } from "../options.ts";
import { handleOf } from "./attaching.ts";
import { type Alternatives, RemoteCall, type RemoteCallInput } from "./remote-call.ts";
import type { RemoteCalls } from "./remote-calls.ts";
import { type Call, StreamReader } from "./stream.ts";

export function requestRemotely(
  call: RemoteCallInput,
  calls: RemoteCalls,
  alternatives: Alternatives,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    calls.begin(new RemoteCall(call, calls, { resolve, reject }), alternatives);
  });
}

export function holdRemotely(
  call: RemoteCallInput,
  calls: RemoteCalls,
  alternatives: Alternatives,
): Call {
  const { promise, resolve, reject } = new Deferred<unknown>();
  const remote = new RemoteCall(call, calls, { resolve, reject });
  calls.begin(remote, alternatives);
  return handleOf({ source: remote, result: promise });
}

export function streamRemotely(
  call: RemoteCallInput,
  calls: RemoteCalls,
  alternatives: Alternatives,
): StreamReader {
  const reader: StreamReader = new StreamReader({
    window: call.options.window ?? windowDefault,
    source: () => remote,
    grant: (credit) => remote.grant(credit),
    abandon: () => remote.cancel(new ColloquyError("CANCELLED", "the reader left before the end")),
  });
  const remote: RemoteCall = new RemoteCall(call, calls, {
    resolve: (result) => reader.end(result),
    reject: (error) => reader.fail(error),
    reader,
  });
  calls.begin(remote, alternatives);
  return reader;
}
