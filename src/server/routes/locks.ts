import type { Hono } from 'hono';
import type { Overview } from '../monitoring/overview.js';
import type { RouteContext, RouteEnvironment } from './context.js';
import { authorize } from './context.js';

/** What the endpoint works with. */
export interface LocksContext extends Pick<RouteContext, 'gatekeeper'> {
  readonly overview: Pick<Overview, 'locks'>;
}

/** `GET /<database>/locks`: which workers hold locks, and which wait for one [PROTOCOL-4.6]. */
export function addLocksRoute(app: Hono<RouteEnvironment>, { overview, gatekeeper }: LocksContext): void {
  app.get('/:database/locks', (context) => {
    const { database } = authorize(context, gatekeeper);
    const { root = null, held, waiting } = overview.locks(database);
    return context.json({ root, held, waiting });
  });
}
