import type { RefusalCode } from '../../errors.js';
import { hasNotOpened } from '../../protocol/session.js';
import type { ArrivalRequest, Entrance } from '../peers/entrance.js';
import type { Peer } from '../peers/peer.js';
import type { Challenger } from './master-seat.js';

/** What a second master is made with. */
export interface SecondMasterSettings {
  /** The first one. */
  readonly master: Peer;
  readonly request: ArrivalRequest;
  readonly entrance: Entrance;
  /** Why the second one is refused, with the folder of the first; `undefined` if that is not known. */
  describe(master: Peer): string | undefined;
  /** Lets it in. @returns false if there is a master */
  admit(): boolean;
}

/** A master at the door of a database that has one. */
export function secondMaster({ master, request, entrance, ...settings }: SecondMasterSettings): Challenger {
  const refuse = (code: RefusalCode): void =>
    entrance.refuse(code, code === 'IPC_REFUSED_SECOND_MASTER' ? settings.describe(master) : undefined);
  return {
    address: request.address,
    get waits() {
      // A stock client waits for no answer for so long.
      return hasNotOpened(request.client) || (request.client !== undefined && !master.isAccepted);
    },
    admit: () => {
      if (!settings.admit()) refuse('IPC_REFUSED_SECOND_MASTER');
    },
    refuse,
  };
}
