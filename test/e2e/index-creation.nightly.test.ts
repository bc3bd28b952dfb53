import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

it('processes that start together may ask for the same new index together', async () => {
  cluster = await Cluster.start();
  const [master, ...workers] = await cluster.form<number>(4);
  await master.set('people', { a: { name: 'Ann', age: 3 }, b: { name: 'Bob', age: 5 } });
  for (const key of ['name', 'age']) {
    await Promise.all(workers.map((worker) => worker.createIndex('people', key)));
  }
  for (const worker of workers) {
    const found = await worker.query('people', [['name', '==', 'Bob']]);
    expect(found).toMatchObject([{ key: 'b' }]);
  }
});
