export { type MemoryBroker, type MemoryBrokerOptions, openMemoryBroker } from "../broker/memory.ts";
export { type BrokerRuntime, withRuntime } from "../broker/runtime.ts";
export { SeededRandom } from "../runtime/random.ts";
export { brokerCases } from "./conformance/broker-cases.ts";
export type { Abilities, ConformanceCase, Feature } from "./conformance/case.ts";
export { casesFor } from "./conformance/case.ts";
export type { OpenSubject, Subject } from "./conformance/subject.ts";
export type {
  FaultProxyOptions,
  ProxyAdmission,
  ProxyDirection,
  ProxyEndpoint,
} from "./fault-proxy.ts";
export { FaultProxy } from "./fault-proxy.ts";
export type { FaultRates, FaultyBrokerOptions } from "./faulty-broker.ts";
export { faultyBroker } from "./faulty-broker.ts";
export { limitedBroker } from "./limited-broker.ts";
export type { MemoryNetworkOptions } from "./memory-network.ts";
export { MemoryNetwork } from "./memory-network.ts";
export type { Conditions } from "./memory-pipe.ts";
export { NullBroker } from "./null-broker.ts";
export type { InjectedFault, ProxyWay } from "./proxy-pipe.ts";
export type { FaultKind } from "./simulator/faults.ts";
export { everyFault } from "./simulator/faults.ts";
export type { AnyRecorded, Recorded, WorldEvent } from "./simulator/history.ts";
export type { ProcessContext, Program } from "./simulator/process.ts";
export type { Simulation, SimulationResult } from "./simulator/simulate.ts";
export { simulate } from "./simulator/simulate.ts";
export type { VirtualClockOptions } from "./virtual-clock.ts";
export { VirtualClock } from "./virtual-clock.ts";
