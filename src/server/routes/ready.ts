import type { Hono } from 'hono';
import type { Overview } from '../monitoring/overview.js';
import { isFromElsewhere, type RouteContext, type RouteEnvironment, sightOf } from './context.js';

/** What the endpoint works with. */
export interface ReadyContext extends Pick<RouteContext, 'gatekeeper'> {
  readonly overview: Pick<Overview, 'summaries'>;
  /** Whether the server listens, and lets processes in. */
  isReady(): boolean;
}

/**
 * `GET /ready`: whether processes may come [PROTOCOL-4.7]. Open to all; with a token, also how the databases are that
 * it opens. A wrong token changes nothing: a probe must not take a server out of service for that.
 */
export function addReadyRoute(app: Hono<RouteEnvironment>, routes: ReadyContext): void {
  app.get('/ready', (context) => {
    const isReady = routes.isReady();
    const { incoming } = context.env;
    const sees = isFromElsewhere(incoming.headers) ? undefined : sightOf(context, routes.gatekeeper);
    const state = isReady ? 'ready' : 'draining';
    const databases = sees && routes.overview.summaries().filter(({ name }) => sees(name));
    const details = databases?.map(({ name, hasMaster, oldestWaitingLock, mail }) => ({
      name,
      master: hasMaster,
      oldestWaitingLock: oldestWaitingLock === undefined ? null : Math.round(oldestWaitingLock),
      mail,
    }));
    const body = details === undefined ? { status: state } : { status: state, databases: details };
    return context.json(body, isReady ? 200 : 503);
  });
}
