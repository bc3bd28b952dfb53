import type { Hono } from 'hono';
import type { Metrics } from '../monitoring/metrics.js';
import { authorizeAdmin, type RouteContext, type RouteEnvironment } from './context.js';

/** What the endpoint works with. */
export interface MetricsContext extends Pick<RouteContext, 'gatekeeper'> {
  readonly metrics: Metrics;
}

/** `GET /metrics`: figures for Prometheus, for who has the admin token [PROTOCOL-4.9]. */
export function addMetricsRoute(app: Hono<RouteEnvironment>, { gatekeeper, metrics }: MetricsContext): void {
  app.get('/metrics', async (context) => {
    authorizeAdmin(context, gatekeeper);
    const { text, contentType } = await metrics.text();
    return context.body(text, 200, { 'Content-Type': contentType });
  });
}
