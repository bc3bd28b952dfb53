import type { IncomingMessage } from 'node:http';
import type { PeerProcess } from '../broker/ports.js';
import { systemClock } from '../platform/clock.js';
import { LocalProcesses } from '../platform/local-processes.js';
import { parseTarget, queryParameter } from './target.js';

/** Headers by which a proxy says that it is one. */
const PROXY_HEADERS = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'];

const processes = new LocalProcesses(systemClock);

/** The process that asks to join that database, if it is on this machine and no proxy; found in the background, unless it says which one it is. */
export function processBehind(
  { headers, socket, url = '' }: IncomingMessage,
  database: string,
): PeerProcess | undefined {
  const words = queryParameter(parseTarget(url).query, 'process');
  if (PROXY_HEADERS.every((name) => headers[name] === undefined))
    return processes.behind(socket, fileOf(database), words);
  const told = processes.told(words);
  return told.pid === undefined ? undefined : told;
}

/** How the path of the file ends that AceBase opens for that name on the wire [PROTOCOL-1.1]. */
function fileOf(database: string): string | undefined {
  const [, name, type] = /^(.+)_([a-z]+)$/.exec(database) ?? [];
  return name === undefined ? undefined : `${name}.acebase/${type}.db`;
}
