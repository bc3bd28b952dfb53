import type { Hono } from 'hono';
import type { LockList } from '../../broker/locks/lock-list.js';
import type { RouteContext, RouteEnvironment } from './context.js';
import { authorize } from './context.js';

/** What the endpoint works with. */
export interface LocksContext extends Pick<RouteContext, 'gatekeeper'> {
  readonly broker: {
    /** The locks of a database; of one that nobody is connected to, there are none. */
    locks(database: string): LockList;
  };
}

/** `GET /<database>/locks`: which workers hold locks, and which wait for one [PROTOCOL-4.6]. */
export function addLocksRoute(app: Hono<RouteEnvironment>, { broker, gatekeeper }: LocksContext): void {
  app.get('/:database/locks', (context) => {
    const { database } = authorize(context, gatekeeper);
    const { root = null, held, waiting } = broker.locks(database);
    return context.json({ root, held, waiting });
  });
}
