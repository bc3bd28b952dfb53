import { readFile } from 'node:fs/promises';

/** The most memory that a process ever had at one time, in bytes. Linux only. */
export function peakMemory(pid: number): Promise<number> {
  return memory(pid, 'VmHWM');
}

/** What a process has in memory now, in bytes. Linux only. */
export function memoryNow(pid: number): Promise<number> {
  return memory(pid, 'VmRSS');
}

async function memory(pid: number, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status has no ${field}`);
  return Number(kibibytes) * 1_024;
}
