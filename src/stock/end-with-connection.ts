import cluster from 'node:cluster';
import { systemClock } from '../platform/clock.js';
import { say } from './say.js';

/** What is used of an AceBase database. */
export interface ConnectedDatabase {
  ready(callback: () => void): unknown;
  close(): Promise<unknown>;
}

/** What AceBase's way to the IPC server is: stock, or with the client of this package. */
interface Connection {
  readonly ws?: { once(event: 'close', listener: () => void): unknown } | null;
  once(event: 'exit', listener: () => void): unknown;
}

/** What is being written to the file has so many milliseconds to get there. */
const LAST_WRITES_MS = 500;

/** Milliseconds that a supervisor has to take note that this process gets no more connections. */
const LEAVING_MS = 2_000;

/**
 * Ends this process when its connection to the IPC server ends for good, so that its supervisor starts a fresh one.
 *
 * AceBase itself would stay, but not as part of the cluster: refused by the IPC server it closes the database and answers nothing any
 * more, and a stock one that has lost its connection has missed locks and changes of other processes. It is also how the process ends after
 * `db.close()`: the IPC server then closes the connection.
 *
 * @param database as it was made, before it is ready
 * @param stopListening closes the HTTP port of this process, if it has one. A connection that pm2 or a Node.js cluster hands to a
 *   process that has just ended is lost: its client waits for an answer for ever.
 */
export function endWithConnection(
  database: ConnectedDatabase,
  stopListening: () => void = () => undefined,
): void {
  let isStopping = false;
  process.once('SIGINT', () => {
    isStopping = true;
  });
  // If the file cannot be opened, AceBase throws where nobody looks. Node.js ends a process then; pm2 prevents that, and the process
  // would wait for its database for ever.
  const failed = (error: unknown): void => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  };
  process.on('unhandledRejection', failed);
  database.ready(() => process.off('unhandledRejection', failed));
  const ended = (): void => {
    if (isStopping) {
      leaveCluster(() => process.exit(0));
      return;
    }
    say('Not connected to the IPC server. This process ends; a new one should take its place.');
    stopListening();
    // Nothing new is begun. That it cannot be closed in an orderly way is why it ends.
    database.close().catch(() => undefined);
    systemClock.schedule(LAST_WRITES_MS, () => process.exit(1));
  };
  // AceBase opens the connection a moment after it has made the database object.
  setImmediate(() => {
    const { ipc } = (database as unknown as { api: { storage: { ipc: Connection } } }).api.storage;
    // With the client of this package a lost connection comes back by itself: what counts is the end of the database.
    if (ipc.ws) ipc.ws.once('close', ended);
    else ipc.once('exit', ended);
  });
}

/**
 * Calls when the supervisor hands no connection to this process any more, be it pm2 or a program with Node's own cluster. It may be busy, and hand
 * one to a process that has closed its port and ended: nobody answers that then, and its client waits for ever.
 */
function leaveCluster(left: () => void): void {
  const { worker } = cluster;
  if (worker === undefined || !worker.isConnected()) {
    left();
    return;
  }
  const cancel = systemClock.schedule(LEAVING_MS, left);
  worker.once('disconnect', () => {
    cancel();
    left();
  });
  worker.disconnect();
}
