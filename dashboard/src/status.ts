/** What the server says, in the words of the code that says it: types only, none of its code gets into the page. */

export type { TimelineEntry } from '../../src/server/monitoring/history.js';
export type { HeldLock, WaitingLock } from '../../src/server/monitoring/lock-list.js';
export type { ManagedMasterStatus } from '../../src/server/monitoring/master-status.js';
export type { Problem } from '../../src/server/monitoring/problems.js';
export type { DatabaseStatus, PeerStatus, ServerStatus, Status } from '../../src/server/monitoring/status.js';

import type { DatabaseStatus } from '../../src/server/monitoring/status.js';

/** What the server counted of one database. */
export type Totals = DatabaseStatus['totals'];
