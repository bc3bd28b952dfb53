import type { Metric, Registry } from 'prom-client';
import { DURATION_BOUNDS_MS, type DurationTally } from './counters.js';
import { type Figures, type Labels, METRICS, type MetricDefinition } from './metric-table.js';

/** One line of the text format. */
interface Line {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it is not the name of the metric. */
  readonly metricName?: string;
}

const MS_PER_SECOND = 1_000;

/**
 * What prom-client reads by process._getActiveHandles() and process._getActiveRequests(). Node 20 aborts in the first
 * (`Assertion failed: !obj.IsEmpty()` in `AsyncWrap::GetOwner`) if a handle is just being collected; `nodejs_active_resources`
 * tells the same.
 */
const UNSAFE = ['nodejs_active_handles', 'nodejs_active_requests'].flatMap((name) => [name, `${name}_total`]);

/**
 * The metrics of the process. prom-client watches the garbage collector and the event loop for them, and cannot be made to
 * end that: so they are there once, however many servers come and go.
 */
let processRegistry: Registry | undefined;

/** The metrics in the text format of Prometheus. */
export class Metrics {
  readonly #look: () => Figures;
  #registry: Promise<Registry> | undefined;
  #figures: Figures | undefined;

  /** @param look is called once for each text */
  constructor(look: () => Figures) {
    this.#look = look;
  }

  /** The text, and what to call it in `Content-Type`. */
  async text(): Promise<{ readonly text: string; readonly contentType: string }> {
    // Whoever is never asked does without the library, and without its watch on the garbage collector.
    this.#registry ??= this.#register();
    const registry = await this.#registry;
    this.#figures = this.#look();
    const texts = [await registry.metrics(), await processRegistry?.metrics()];
    return { text: texts.join(''), contentType: registry.contentType };
  }

  async #register(): Promise<Registry> {
    const { collectDefaultMetrics, Registry } = await import('prom-client');
    const registry = new Registry();
    for (const definition of METRICS) {
      const { name, help, type } = definition;
      const get = async () => ({ name, help, type, values: this.#linesOf(definition), aggregator: 'sum' });
      // The metrics of prom-client count by themselves, and cannot be given a count; a registry asks for no more than this.
      registry.registerMetric({ name, help, type, get } as unknown as Metric);
    }
    if (processRegistry === undefined) {
      processRegistry = new Registry();
      collectDefaultMetrics({ register: processRegistry });
      for (const name of UNSAFE) processRegistry.removeSingleMetric(name);
    }
    return registry;
  }

  #linesOf(definition: MetricDefinition): Line[] {
    const figures = this.#figures;
    if (figures === undefined) return [];
    if (definition.type === 'histogram') {
      return [...definition.read(figures)].flatMap(([labels, tally]) =>
        linesOfTally(definition.name, labels, tally),
      );
    }
    return [...definition.read(figures)].map(([labels, value]) => ({ labels, value }));
  }
}

/** A histogram of Prometheus: each class counts all that took no longer. */
function linesOfTally(name: string, labels: Labels, { classes, count, sum }: DurationTally): Line[] {
  let below = 0;
  const buckets = DURATION_BOUNDS_MS.map((bound, index): Line => {
    below += classes[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound / MS_PER_SECOND }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sum / MS_PER_SECOND },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
