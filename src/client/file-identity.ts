/**
 * What this process says when the server asks which folder its database file is in (docs/PROTOCOL.md, section 14.9): it writes a
 * nonce into a new file there, or reads what another process has written.
 */

import { randomBytes } from 'node:crypto';
import { chmod, readdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { Cancel, Clock } from '../broker/ports.js';
import { type FileMark, fileMarkOf, openFileMarkOf } from '../platform/file-marks.js';
import type { FolderAnswer, FolderRequest } from '../protocol/file-identity.js';
import { codeOf } from '../system-error.js';
import type { Storage } from './acebase.js';

/** What the name of such a file begins with. */
const PREFIX = 'ipc-check-';

/** What follows: the type of the database file, and 32 hexadecimal digits. No path can be told in such a name. */
const NAME = /^ipc-check-[a-z]+-[0-9a-f]{32}$/;

/** Milliseconds for which a file is looked for in a folder: file systems of other machines may show it late. */
const LOOKING_MS = 2_000;

/** The same while there is no folder: the master is about to make it, and its machine may be another one. */
const FOLDER_MS = 60_000;

/** Milliseconds between two looks, at first and at most. */
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 250;

/** Milliseconds after which a file was left behind by a process that has been killed. */
const LEFT_BEHIND_MS = 10 * 60_000;

/** What is written behind the nonce, for people who find the file. */
const EXPLANATION =
  'acebase-ipc-server wrote this to see whether two processes use the same folder. It removes it in a moment; you may, too.';

/** What it works with. */
export interface FileIdentityTools {
  readonly clock: Pick<Clock, 'now' | 'wallTime'> & {
    scheduleIdle(milliseconds: number, callback: () => void): Cancel;
  };
  /** Whether the database says that its file is open. */
  isOpen(): boolean;
  /** Whether this process is the master, which makes the folder if there is none. */
  isMaster(): boolean;
}

/** Answers for one database file. */
export class FileIdentity {
  readonly #storage: Storage;
  readonly #tools: FileIdentityTools;
  /** The files that were written and not removed yet, by the number of the question. */
  readonly #written = new Map<number, string>();

  constructor(storage: Storage, tools: FileIdentityTools) {
    this.#storage = storage;
    this.#tools = tools;
  }

  /** Whether there is a file at all: AceBase also has storages that keep their data elsewhere. */
  static isPossibleFor(storage: Storage): boolean {
    return 'fileName' in storage;
  }

  /** The server asks something, as `identify:{…}`. @param say sends the answer, if one is wanted */
  async respond(frame: string, say: (answer: string) => void): Promise<void> {
    const answer = await this.answer(JSON.parse(frame.slice('identify:'.length)) as FolderRequest);
    if (answer !== undefined) say(`identity:${JSON.stringify(answer)}`);
  }

  /** Does what the server asks. @returns the answer; `undefined` if none is wanted. Never throws */
  async answer(request: FolderRequest): Promise<FolderAnswer | undefined> {
    if (request.ask === 'remove') {
      await this.#remove(request.id);
      return undefined;
    }
    const { id } = request;
    const nothing = { written: undefined, read: undefined, problem: undefined };
    try {
      const done =
        request.ask === 'write'
          ? await this.#write(id)
          : request.ask === 'read'
            ? await this.#read(request.name)
            : {};
      return { ...(await this.#about(id)), ...nothing, ...done };
    } catch (error) {
      return { ...(await this.#about(id)), ...nothing, problem: codeOf(error) ?? 'EIO' };
    }
  }

  /** Removes what was written. */
  async close(): Promise<void> {
    for (const id of [...this.#written.keys()]) await this.#remove(id);
  }

  get #path(): string {
    return resolve(this.#storage.fileName ?? '');
  }

  async #about(id: number): Promise<Pick<FolderAnswer, 'id' | 'folder' | 'host' | 'file' | 'isReplaced'>> {
    const { file, isReplaced } = await this.#file();
    return { id, folder: dirname(this.#path), host: hostname(), file, isReplaced };
  }

  /** The file that is open, else the one at the path; and whether these are two. */
  async #file(): Promise<{ readonly file: FileMark | undefined; readonly isReplaced: boolean }> {
    let found = await fileMarkOf(this.#path);
    // AceBase may have opened it meanwhile; the server is told that only once, and must not hear of no file after it.
    const { file: descriptor } = this.#storage;
    const isOpen = typeof descriptor === 'number' && this.#tools.isOpen();
    const open = isOpen ? await openFileMarkOf(descriptor) : undefined;
    if (open === undefined) return { file: found, isReplaced: false };
    if (!isSame(open, found)) found = await fileMarkOf(this.#path);
    return { file: open, isReplaced: !isSame(open, found) };
  }

  async #write(id: number): Promise<Partial<FolderAnswer>> {
    const { file, isReplaced } = await this.#file();
    if (file === undefined || isReplaced) return {};
    const folder = dirname(this.#path);
    const type = basename(this.#path).replace(/\.db$/, '');
    await this.#removeLeftBehind(folder, type).catch(() => undefined);
    const name = `${PREFIX}${type}-${randomBytes(16).toString('hex')}`;
    const nonce = randomBytes(16).toString('hex');
    const path = join(folder, name);
    this.#written.set(id, path);
    await writeFile(path, `${nonce}\n${EXPLANATION}\n`, { flag: 'wx' });
    // Whoever may look into the folder may read it, whatever the umask: there is no secret in it.
    await chmod(path, 0o644);
    return { written: { name, nonce } };
  }

  async #remove(id: number): Promise<void> {
    const path = this.#written.get(id);
    this.#written.delete(id);
    if (path !== undefined) await unlink(path).catch(() => undefined);
  }

  async #removeLeftBehind(folder: string, type: string): Promise<void> {
    const now = this.#tools.clock.wallTime();
    for (const name of await readdir(folder)) {
      if (!NAME.test(name) || !name.startsWith(`${PREFIX}${type}-`)) continue;
      const path = join(folder, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now }));
      if (now - mtimeMs > LEFT_BEHIND_MS) await unlink(path).catch(() => undefined);
    }
  }

  async #read(name: string): Promise<Partial<FolderAnswer>> {
    if (!NAME.test(name)) return { problem: 'EINVAL' };
    const { clock, isMaster } = this.#tools;
    const since = clock.now();
    let foundFolderAt: number | undefined;
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      const folder = dirname(this.#path);
      const text = await readFile(join(folder, name), 'utf8').catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return null;
        throw error;
      });
      if (text !== null) return { read: text.split('\n', 1)[0] ?? '' };
      const hasFolder = isMaster() || (await exists(folder));
      if (hasFolder) foundFolderAt ??= clock.now();
      const until = foundFolderAt === undefined ? since + FOLDER_MS : foundFolderAt + LOOKING_MS;
      if (clock.now() >= until) return { read: null };
      await new Promise<void>((go) => clock.scheduleIdle(wait, go));
    }
  }
}

function isSame(open: FileMark, found: FileMark | undefined): boolean {
  return found !== undefined && open.device === found.device && open.inode === found.inode;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
