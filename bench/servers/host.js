/**
 * The process of one server: starts it, and tells what it costs. Plain JavaScript, so that nothing else is in this
 * process whose memory and time would be counted: `node host.js ours`.
 */

// @ts-check
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startYardstick } from '../yardstick-ws/yardstick.js';

/** @import { FromHost } from './started-server.ts' */

/** How often the event loop is looked at, in milliseconds; what goes beyond it is a pause. */
const LOOP_RESOLUTION_MS = 5;

/** Without its parent nobody would ever end this process. */
process.on('disconnect', () => process.exit(0));
// So that --cpu-prof is written when the bench is done.
process.on('SIGTERM', () => process.exit(0));

const server = await (process.argv[2] === 'yardstick' ? yardstick() : ours());
const pauses = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
pauses.enable();

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  tell({
    kind: 'costs',
    costs: {
      cpuMicroseconds: user + system,
      kernelMicroseconds: system,
      rssBytes: process.memoryUsage.rss(),
      peakBytes: takePeak(),
      pauseP99Ms: pauseOf(pauses.percentile(99)),
      longestPauseMs: pauseOf(pauses.max),
      counters: server.counters(),
    },
  });
  pauses.reset();
});
tell({ kind: 'port', port: server.port });

async function yardstick() {
  return { port: await startYardstick(), counters: () => ({}) };
}

/** The server as it ships. */
async function ours() {
  const built = new URL('../../dist/index.js', import.meta.url);
  /** @type {typeof import('../../src/index.ts')} */
  const { AceBaseIPCServer } = await import(built.href);
  const server = new AceBaseIPCServer({ host: '127.0.0.1', port: 0, logLevel: 'error' });
  await server.start();
  return {
    port: server.address?.port ?? 0,
    counters: () => ({ ...server.counters.incidents, ...server.counters.refusals }),
  };
}

/** @param {FromHost} message */
function tell(message) {
  process.send?.(message);
}

/** @param {number} nanoseconds */
function pauseOf(nanoseconds) {
  return Math.max(0, nanoseconds / 1e6 - LOOP_RESOLUTION_MS);
}

/** The peak since the last call where Linux can tell; elsewhere, since the start. */
function takePeak() {
  if (!existsSync('/proc/self/clear_refs')) return process.resourceUsage().maxRSS * 1024;
  const [, kibibytes = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  writeFileSync('/proc/self/clear_refs', '5');
  return Number(kibibytes) * 1024;
}
