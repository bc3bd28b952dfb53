/** The token of this tab: forgotten when the tab is closed, and never part of an address. */

/** Where it is kept: the `sessionStorage` of the browser. */
export interface TokenStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const KEY = 'acebase-ipc-token';

/** The token that was kept, if any. */
export function keptToken(storage: TokenStore): string | null {
  return storage.getItem(KEY);
}

/** Keeps a token; `null` forgets it. */
export function keepToken(storage: TokenStore, token: string | null): void {
  if (token === null) storage.removeItem(KEY);
  else storage.setItem(KEY, token);
}

/** Why this text cannot be a token, in words for who typed it; `undefined` if it can. */
export function tokenFault(text: string): string | undefined {
  if (text === '') return 'Type the token, or paste it.';
  if (!/^[\x21-\x7e]+$/.test(text))
    return 'A token has no spaces, and only letters, digits and signs of ASCII.';
  if (text.length > 1_024) return 'A token has at most 1,024 characters.';
  return undefined;
}
