import { cpus, loadavg, totalmem } from "node:os";

/** The shape of this machine, as far as it explains figures; nothing that names it. */
export function machineLine(): string {
  const load = (loadavg()[0] as number).toFixed(1);
  return (
    `${cpus().length} processors (${cpus()[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, ` +
    `Node ${process.version}, ${process.platform}; load average before it began: ${load}; an idle machine has 0`
  );
}
