import { closeSync, openSync } from 'node:fs';

/**
 * Remembers whether the process was started from a terminal.
 *
 * @returns tells whether that terminal is closed by now, which SIGHUP then means. A process without one, as below pm2,
 *   systemd or in a container, gets SIGHUP only from somebody who means "reload".
 */
export function watchTerminal(hasTerminal: () => boolean = canOpenTerminal): () => boolean {
  const hadTerminal = hasTerminal();
  return () => hadTerminal && !hasTerminal();
}

function canOpenTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
