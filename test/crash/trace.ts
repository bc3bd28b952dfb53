import { readFileSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import type { Change } from './disk.js';
import type { Synced } from './power-cut.js';

/** A process began an operation of the workload, and was told that it was carried out, or that it was not. */
export interface Step {
  readonly kind: 'begun' | 'acknowledged' | 'failed';
  readonly operation: number;
}

/** What a process did, in order. */
export type TraceEvent = Change | Synced | Step;

/** As one line. */
export function shownStep({ kind, operation }: Step): string {
  return `${kind} ${operation}`;
}

/** What {@link shownStep} has written, but for a line that was cut off. */
export function stepsIn(text: string): Step[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [kind, operation] = line.split(' ');
      return { kind, operation: Number(operation) } as Step;
    });
}

export function isStep(event: TraceEvent): event is Step {
  return event.kind === 'begun' || event.kind === 'acknowledged' || event.kind === 'failed';
}

export function isChange(event: TraceEvent): event is Change {
  return !isStep(event) && event.kind !== 'synced';
}

export function saveTrace(file: string, trace: readonly TraceEvent[]): void {
  writeFileSync(file, serialize(trace));
}

export function loadTrace(file: string): readonly TraceEvent[] {
  return deserialize(readFileSync(file)) as readonly TraceEvent[];
}
