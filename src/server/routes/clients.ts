import type { Hono } from 'hono';
import type { RouteContext, RouteEnvironment } from './context.js';
import { authorize } from './context.js';

/** `GET /<database>/clients`: the peers that are connected, and the master also while it is away [PROTOCOL-4.4]. */
export function addClientsRoute(app: Hono<RouteEnvironment>, { broker, gatekeeper }: RouteContext): void {
  app.get('/:database/clients', (context) => {
    const { database } = authorize(context, gatekeeper);
    const clients = broker.peers(database).map(({ id, connectedAt, client, pid, keepsJournal }) => ({
      id,
      connected: Math.round(connectedAt),
      ...(client === undefined ? {} : { client }),
      ...(pid === undefined ? {} : { pid }),
      ...(keepsJournal ? { keepsJournal } : {}),
    }));
    return context.json(clients);
  });
}
