/** `acebase-ipc-server peers|locks|databases`: how a server that runs is, once or again and again. */

import { pause } from '../platform/clock.js';
import type { Status } from '../server/monitoring/status.js';
import { messageOf } from '../system-error.js';
import { describe, rowsOf, type Subject } from './reports.js';
import { errorAsJson } from './serve.js';

/** Milliseconds between two looks. */
const INTERVAL_MS = 2_000;

/** Goes to the upper left corner, and clears what is below. */
const CLEAR = '\u001b[H\u001b[J';

/** What it works with. */
export interface Inspection {
  readonly subject: Subject;
  readonly database?: string | undefined;
  readonly json: boolean;
  /** Until it is interrupted. */
  readonly watch: boolean;
  ask(): Promise<Status>;
  readonly output: {
    write(text: string): unknown;
    readonly isTTY?: boolean;
    /** The width of the terminal. */
    readonly columns?: number;
  };
}

/**
 * Asks the server, and prints what it says. With `watch`, again every two seconds: on a terminal in the same place, else
 * below each other; a server that goes away meanwhile is waited for.
 *
 * @throws Error in plain words, if it is not there at the first look
 */
export async function inspect(inspection: Inspection): Promise<void> {
  const { subject, database, json, watch, ask, output } = inspection;
  const isScreen = watch && output.isTTY === true && !json;
  const width = output.isTTY === true ? output.columns : undefined;
  const show = (status: Status): string => {
    if (!json) return describe(status, { subject, database, width });
    return JSON.stringify(rowsOf(subject, status), undefined, watch ? undefined : 2);
  };
  let text = show(await ask());
  for (;;) {
    output.write(isScreen ? `${CLEAR}${text}\n` : `${text}\n`);
    if (!watch) return;
    if (!json && !isScreen) output.write('\n');
    await pause(INTERVAL_MS);
    text = await ask().then(show, (error: unknown) =>
      json ? JSON.stringify(errorAsJson(error)) : messageOf(error),
    );
  }
}
