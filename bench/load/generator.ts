/** The process of a load: opens its connections, warms up, and runs when it is told to. */

import type { LoadResult, LoadSpec } from './load.js';
import { openLoad } from './loads.js';
import type { WireName } from './wire.js';

/** What a generator is to do. */
export interface GeneratorOrder {
  readonly port: number;
  readonly wire: WireName;
  readonly load: LoadSpec;
  readonly warmUpMs: number;
  readonly runMs: number;
}

/** What the generator has done. */
export interface GeneratorResult extends LoadResult {
  /** What the generator itself has used: at a whole core, it is the limit, and not the server. */
  readonly cpuSeconds: number;
}

/** From the generator to who started it. */
export type FromGenerator =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly result: GeneratorResult };

/** Runs the load. */
export async function run({ port, wire, load: spec, warmUpMs, runMs }: GeneratorOrder): Promise<void> {
  const load = await openLoad(spec, port, wire);
  if (warmUpMs > 0) await load.run(warmUpMs);
  const goAhead = new Promise((resolve) => process.once('message', resolve));
  tell({ kind: 'ready' });
  await goAhead;
  const before = process.cpuUsage();
  const result = await load.run(runMs);
  const { user, system } = process.cpuUsage(before);
  tell({ kind: 'done', result: { ...result, cpuSeconds: (user + system) / 1e6 } });
  // Connections end when the costs of the server were asked for.
  await new Promise((resolve) => process.once('message', resolve));
  load.end();
  process.disconnect();
}

function tell(message: FromGenerator): void {
  process.send?.(message);
}
