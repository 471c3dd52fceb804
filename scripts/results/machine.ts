import { describeMachine } from "../../bench/harness/machine.ts";

/** The shape of this machine before a measurement, as far as it explains figures. */
export function machineLine(): string {
  const { cores, processor, memoryGiB, system, node, load } = describeMachine();
  return (
    `${cores} processors (${processor}), ${memoryGiB} GiB of memory, Node ${node}, ${system}; ` +
    `load average before it began: ${load.toFixed(1)}; an idle machine has 0`
  );
}
