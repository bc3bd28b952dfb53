/** The made-up tea shop that the demo's workers run. */

const teas = ['assam', 'darjeeling', 'keemun', 'gunpowder', 'oolong', 'sencha'];
const customers = ['Ada', 'Bo', 'Chen', 'Dana', 'Emeka', 'Fatma', 'Goran', 'Hina'];

/** Orders are overwritten after that many, so that the demo's file stays small however long it runs. */
const ordersKept = 20;

/**
 * The next thing a worker does: mostly it takes an order; each third time it takes tea from the stock that all
 * workers share, in a transaction.
 *
 * @param {string} worker its name
 * @param {number} number counts up from 1
 */
export function nextWrite(worker, number) {
  const tea = pick(teas);
  if (number % 3 === 0) return { path: `shop/stock/${tea}`, takes: true };
  const text = `${1 + Math.floor(Math.random() * 4)} × ${tea} for ${pick(customers)}`;
  return { path: `shop/orders/${worker}-${number % ordersKept}`, text };
}

const crate = 12;

/** What the shop has when the demo begins. */
export function fullStock() {
  return Object.fromEntries(teas.map((tea) => [tea, crate]));
}

/** One packet less; a new crate comes when the last one is sold. */
export function takeFromStock(stock) {
  return stock > 1 ? stock - 1 : crate;
}

/** How long a worker rests between two writes: 0.6 to 1.4 s, so that people can follow. */
export function restMs() {
  return 600 + Math.random() * 800;
}

function pick(choices) {
  return choices[Math.floor(Math.random() * choices.length)];
}
