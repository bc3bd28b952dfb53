import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { DatabaseStatus, PeerStatus, ServerStatus, Status } from '../../dashboard/src/status.js';
import { addDashboardRoutes } from '../../src/server/routes/dashboard.js';
import { exampleDatabase, examplePeer, exampleStatus } from './example-status.js';

const HOUR = 3_600_000;

/** Moments of scripted statuses: milliseconds since 1970. */
export const NOON = Date.UTC(2026, 2, 14, 12);

const NO_TRAFFIC = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };

/** A peer that does nothing. */
export function peerStatus(changes: Partial<PeerStatus> = {}): PeerStatus {
  return examplePeer({ address: '127.0.0.1:50123', connectedAt: NOON - HOUR, ...NO_TRAFFIC, ...changes });
}

/** A database with a master and one worker, in which nothing happens. */
export function databaseStatus(changes: Partial<DatabaseStatus> = {}): DatabaseStatus {
  const peers = [peerStatus({ id: '[master]', role: 'master' }), peerStatus()];
  const totals = { ...NO_TRAFFIC, lockWaitCount: 0, lockWaitSum: 0 };
  return exampleDatabase({ peers, totals, ...changes });
}

/** A server that is up for an hour. */
export function statusOf(databases: readonly DatabaseStatus[], changes: Partial<ServerStatus> = {}): Status {
  const { server } = exampleStatus(...databases);
  const calm = {
    version: '2.0.0',
    startedAt: NOON - HOUR,
    now: NOON,
    eventLoopDelayP99: 1.2,
    connections: 2,
  };
  return { server: { ...server, ...calm, ...changes }, databases, masters: [] };
}

/** Serves the dashboard as the real server does, and tells it what a test makes up. */
export class ScriptedStatus {
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  #last: Status | undefined;
  /** Answers with this instead of a stream. */
  refusal: { readonly status: number; readonly body: unknown } | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts it on a free port. */
  static async start(): Promise<ScriptedStatus> {
    const app = new Hono<{ Bindings: never }>();
    addDashboardRoutes(app as never);
    const page = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    const server = createServer((request, response) => {
      if (request.url !== '/status/stream') return void page(request, response);
      const { refusal } = scripted;
      if (refusal !== undefined) {
        response.writeHead(refusal.status, { 'Content-Type': 'application/json' });
        return void response.end(JSON.stringify(refusal.body));
      }
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.flushHeaders();
      scripted.#streams.add(response);
      response.once('close', () => scripted.#streams.delete(response));
      if (scripted.#last !== undefined) tell(response, scripted.#last);
    }).listen(0, 'localhost');
    const scripted = new ScriptedStatus(server);
    await once(server, 'listening');
    return scripted;
  }

  get url(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Tells this to every page that is open, and to those that are opened later. */
  say(status: Status): void {
    this.#last = status;
    for (const stream of this.#streams) tell(stream, status);
  }

  /** May be called again. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function tell(stream: ServerResponse, status: Status): void {
  stream.write(`event: status\ndata: ${JSON.stringify(status)}\n\n`);
}
