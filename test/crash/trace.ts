import { readFileSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import type { Change } from './disk.js';

/** What a process did: it changed files, began an operation of the workload, and was told that it was carried out. */
export type TraceEvent =
  | Change
  | { readonly kind: 'begun'; readonly operation: number }
  | { readonly kind: 'acknowledged'; readonly operation: number };

export function isChange(event: TraceEvent): event is Change {
  return event.kind !== 'begun' && event.kind !== 'acknowledged';
}

export function saveTrace(file: string, trace: readonly TraceEvent[]): void {
  writeFileSync(file, serialize(trace));
}

export function loadTrace(file: string): readonly TraceEvent[] {
  return deserialize(readFileSync(file)) as readonly TraceEvent[];
}
