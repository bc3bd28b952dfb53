import { readFileSync } from 'node:fs';

/** Linux counts the time of processes in hundredths of a second, whatever its own tick is. */
const MS_PER_TICK = 10;

/** Milliseconds of processor time that a process has taken since its start; `NaN` where there is no `/proc`. */
export function cpuTimeOf(pid: number): number {
  try {
    // The name of the program is in parentheses, and may contain anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  } catch (error) {
    if (process.platform === 'linux') throw error;
    return Number.NaN;
  }
}
