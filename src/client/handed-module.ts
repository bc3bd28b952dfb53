/**
 * An acebase that the program hands over: where a bundler has put AceBase into the program, no file leads to it, and its
 * public exports lead to everything but its class of remote peers. That one shows when the first of them is made.
 */

import { IPCError } from '../errors.js';
import type { Index, RemoteIPCPeer, Storage } from './acebase.js';
import type { Build, IndexClass, RemotePeerMethods } from './build.js';
import type { ValueClasses } from './core/codec.js';
import type { EarlyMethods } from './patches/early-operations.js';
import type { ReadIndexFile } from './patches/indexes/index-files.js';
import { whenAssigned } from './patches/when-assigned.js';

/** What is used of the exports of `acebase`. */
interface Exports extends ValueClasses {
  readonly AceBase: { readonly prototype: object };
  readonly AceBaseStorageSettings?: { readonly prototype: object };
  readonly ID: { generate(): string };
}

/** What the exports lead to. */
export interface HandedModule {
  readonly database: EarlyMethods['database'];
  /** The class that AceBase's remote peers are an extension of, as are its databases. */
  readonly emitter: object;
  readonly classes: ValueClasses;
  readonly storageSettings: object | undefined;
  createId(): string;
}

/** All of it, once the class of remote peers has shown. */
export function buildOf(module: HandedModule, remotePeer: RemotePeerMethods): Build {
  const lock = remotePeer.lock as Build['lock'];
  const { classes, createId } = module;
  return {
    remotePeer,
    lock,
    ExitingError,
    classes,
    createId,
    indexClass: undefined,
    trees: undefined,
    files: undefined,
    storageSettings: undefined,
    whenDatabaseIsMade: (found) => {
      const forget = whenAssigned(module.database, 'api', (_database, value) => {
        forget();
        found({ database: module.database, api: Object.getPrototypeOf(value) as EarlyMethods['api'] });
      });
    },
  };
}

/** In the words of AceBase's own, of which there are no exports. */
class ExitingError extends Error {
  constructor(message: string) {
    super(`Exiting: ${message}`);
  }
}

/**
 * @param acebase what `import * as acebase` or `require()` gives, or several of these
 * @throws {IPCError} IPC_CLIENT_BAD_OPTION
 */
export function readHandedModules(acebase: unknown): HandedModule[] {
  return (acebase === undefined ? [] : [acebase].flat()).map((exports: unknown) =>
    readExports(Object(exports)),
  );
}

function readExports(exports: object): HandedModule {
  const { AceBase, AceBaseStorageSettings, PathReference, PartialArray, ID } = exports as Partial<Exports>;
  const emitter = lastPrototype(AceBase?.prototype);
  const isEmitter = emitter !== undefined && Object.hasOwn(emitter, 'emit');
  if (!isEmitter || typeof PathReference !== 'function' || typeof ID?.generate !== 'function') {
    throw new IPCError(
      'IPC_CLIENT_BAD_OPTION',
      'acebase is not the module: import all of it (import * as acebase from …), or require() it',
    );
  }
  return {
    database: AceBase?.prototype as HandedModule['database'],
    emitter,
    classes: { PathReference, ...(PartialArray !== undefined && { PartialArray }) },
    storageSettings: lastPrototype(AceBaseStorageSettings?.prototype),
    createId: () => ID.generate(),
  };
}

/** The end of a chain of prototypes, before that of all objects: of whichever realm, as in jest. */
export function lastPrototype(prototype: object | undefined): object | undefined {
  const next = prototype && (Object.getPrototypeOf(prototype) as object | null);
  if (next === undefined || next === null) return undefined;
  return lastPrototype(next) ?? prototype;
}

/**
 * Calls when a remote peer is made, before it connects: its constructor assigns `config`, and connects then.
 *
 * @param emitter the prototype that its class goes back to
 * @param made is given the prototype of its class; what it throws, `new AceBase()` throws
 * @returns undoes it
 */
export function whenRemotePeerIsMade(
  emitter: object,
  made: (remotePeer: RemotePeerMethods) => void,
): () => void {
  return whenAssigned(emitter, 'config', (object) => {
    const prototype = Object.getPrototypeOf(object) as object;
    const isRemotePeer = ['connect', 'sendMessage', 'fetch'].every((name) => Object.hasOwn(prototype, name));
    if (isRemotePeer) made(prototype as RemoteIPCPeer);
  });
}

/** What gives out indexes: whoever does something with one has it from one of these. */
const GIVERS = ['get', 'getAll', 'list'] as const;

type Givers = Record<(typeof GIVERS)[number], (...details: unknown[]) => readonly Index[]>;

/** Calls once, with the class of indexes, when a database that is about to open has its first. */
export function whenIndexIsThere(storage: Storage, found: (indexClass: IndexClass) => void): void {
  // acebase 1.18 has no list of them yet when it makes its peer.
  storage.once('ready', () => {
    const indexes = storage.indexes as unknown as Givers;
    const { get, getAll, list } = indexes;
    const originals: Givers = { get, getAll, list };
    for (const name of GIVERS) {
      indexes[name] = (...details) => {
        const given = originals[name].apply(indexes, details);
        if (given[0] !== undefined) {
          Object.assign(indexes, originals);
          found(indexClassOf(given[0]));
        }
        return given;
      };
    }
    // The file may have some already.
    indexes.list();
  });
}

function indexClassOf(index: Index): IndexClass {
  let methods = index as Index & IndexClass['methods'];
  while (!Object.hasOwn(methods, '_getTree')) methods = Object.getPrototypeOf(methods) as typeof methods;
  const { readFromFile } = methods.constructor as unknown as { readFromFile: ReadIndexFile };
  return { methods, readFromFile: readFromFile.bind(methods.constructor) };
}
