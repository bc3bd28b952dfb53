import type { Hono } from 'hono';
import type { RouteEnvironment } from './context.js';

/** `GET /health`: whether the process answers. Open to all, and says nothing else [PROTOCOL-4.5]. */
export function addHealthRoute(app: Hono<RouteEnvironment>): void {
  app.get('/health', (context) => context.json({ status: 'ok' }));
}
