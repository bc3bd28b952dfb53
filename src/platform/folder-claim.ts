/** The folder of a database that is waited for until nobody else has it. */

import type { Clock } from '../broker/ports.js';
import { pause } from './clock.js';
import type { FolderOwner, Obstacle } from './folder-owner.js';

/** How often it is said anew what is waited for, in milliseconds. */
const REMINDER_MS = 60_000;

/** How a folder is waited for. */
export interface ClaimSettings {
  /** How often it is tried, in milliseconds. */
  readonly every: number;
  readonly clock: Pick<Clock, 'now' | 'schedule'>;
  /** It is waited for. Told once for each reason, and every minute. @param reason in words */
  waits(reason: string): void;
  /** Whether to go on waiting; default: unless somebody has it for certain. */
  isWanted?(obstacle: Obstacle): boolean;
  /** What the claim that has failed comes to; default: it is thrown. */
  failed?(error: unknown): Obstacle;
}

/**
 * Takes a folder as soon as nobody else has it.
 *
 * @param claim takes it, unless somebody has it
 * @returns what is in the way, if it is not waited for any longer; `undefined`: it has it
 */
export async function claimWhenFree(
  claim: FolderOwner['claim'],
  settings: ClaimSettings,
): Promise<Obstacle | undefined> {
  const { every, clock, waits, isWanted = ({ isInUse }) => !isInUse } = settings;
  let said: { readonly reason: string; readonly at: number } | undefined;
  for (;;) {
    const obstacle = await claimed(claim, settings);
    if (obstacle === undefined || !isWanted(obstacle)) return obstacle;
    const { reason } = obstacle;
    if (reason !== said?.reason || clock.now() - said.at >= REMINDER_MS) {
      said = { reason, at: clock.now() };
      waits(reason);
    }
    await pause(every, clock);
  }
}

async function claimed(
  claim: FolderOwner['claim'],
  { failed }: ClaimSettings,
): Promise<Obstacle | undefined> {
  try {
    return await claim();
  } catch (error) {
    if (failed === undefined) throw error;
    return failed(error);
  }
}
