import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Account, FairShares } from '../../../src/broker/memory.js';

const TOTAL = 100;

/** Gives nothing back. */
const nothing = () => [].values();

/** Users whose debtors each take some bytes; the largest goes when they must give back. */
class User {
  readonly account: Account;
  readonly debts: number[] = [];
  /** How often it had to give back. */
  paid = 0;

  constructor(shares: FairShares) {
    this.account = shares.open(() => this.#repay());
  }

  /** @returns whether there was room */
  take(bytes: number): boolean {
    const isTaken = this.account.take(bytes);
    if (isTaken) this.debts.push(bytes);
    return isTaken;
  }

  giveOldest(): void {
    if (this.debts.length > 0) this.#end(0);
  }

  get owes(): number {
    return this.debts.reduce((sum, bytes) => sum + bytes, 0);
  }

  *#repay() {
    for (;;) {
      this.paid++;
      yield this.#end(this.debts.indexOf(Math.max(...this.debts)));
    }
  }

  #end(index: number): void {
    const [bytes = 0] = this.debts.splice(index, 1);
    this.account.give(bytes);
  }
}

const steps = fc.array(
  fc.record({ user: fc.nat(4), bytes: fc.integer({ min: 0, max: 60 }), isTaking: fc.boolean() }),
  { maxLength: 200 },
);

it('never gives more than there is, serves whoever is within an equal share, and has none pay that has less than who asks', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (actions, count) => {
      const shares = new FairShares(TOTAL);
      const users = Array.from({ length: count }, () => new User(shares));
      for (const { user, bytes, isTaking } of actions) {
        const asker = users[user % count] as User;
        if (!isTaking) {
          asker.giveOldest();
          continue;
        }
        const before = users.map(({ owes, paid }) => ({ owes, paid }));
        const wanted = asker.owes + bytes;
        const isServed = asker.take(bytes);
        if (wanted <= TOTAL / count) expect(isServed).toBe(true);
        for (const [index, { owes, paid }] of before.entries()) {
          if (users[index]?.paid !== paid) expect(owes).toBeGreaterThan(wanted);
        }
        const isRoom = before.reduce((sum, { owes }) => sum + owes, 0) + bytes <= TOTAL;
        if (isRoom) expect(users.map(({ paid }) => paid)).toEqual(before.map(({ paid }) => paid));
        expect(users.map(({ account }) => account.bytes)).toEqual(users.map(({ owes }) => owes));
        expect(shares.bytes).toBe(users.reduce((sum, { owes }) => sum + owes, 0));
        expect(shares.bytes).toBeLessThanOrEqual(TOTAL);
      }
      for (const user of users) while (user.debts.length > 0) user.giveOldest();
      expect(shares.bytes).toBe(0);
    }),
  );
});

it('refuses when the one that has most has nothing that it can give back, and asks it no further', () => {
  const shares = new FairShares(TOTAL);
  let asked = 0;
  const stubborn = shares.open(function* () {
    yield asked++;
  });
  const small = shares.open(nothing);
  expect(stubborn.take(TOTAL)).toBe(true);
  expect([small.take(1), asked, small.bytes]).toEqual([false, 1, 0]);
});

it('asks nobody else for what the one that gives back wants to keep meanwhile', () => {
  const shares = new FairShares(TOTAL);
  let [asked, isKept] = [0, true];
  const stubborn = shares.open(function* () {
    yield asked++;
  });
  const payer: Account = shares.open(function* () {
    payer.give(20);
    isKept = payer.take(30);
    yield;
  });
  const asker = shares.open(nothing);
  expect([stubborn.take(60), payer.take(35), asker.take(5)]).toEqual([true, true, true]);
  expect([asker.take(10), asked, isKept]).toEqual([true, 1, false]);
});

it('asks nothing of one that is closed', () => {
  const shares = new FairShares(TOTAL);
  const gone = new User(shares);
  gone.take(TOTAL);
  gone.giveOldest();
  gone.account.close();
  expect([new User(shares).take(TOTAL), shares.bytes]).toEqual([true, TOTAL]);
});
