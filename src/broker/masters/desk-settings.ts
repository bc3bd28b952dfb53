import type { Delivery } from '../delivery.js';
import type { FileNews } from '../file/file-news.js';
import type { Limits } from '../limits.js';
import type { LockService } from '../locks/lock-service.js';
import type { ByteBudget } from '../memory.js';
import type { DatabaseCounters } from '../monitoring/database-counters.js';
import type { Incidents } from '../monitoring/incidents.js';
import type { Peer } from '../peers/peer.js';
import type { Clock, Logger } from '../ports.js';
import type { MasterSeat } from './master-seat.js';

/** What the desk of a master works with. */
export interface MasterDeskSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly kept: ByteBudget;
  readonly incidents: Incidents;
  readonly counters: DatabaseCounters;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly locks: LockService;
}
