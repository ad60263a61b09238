import { fork } from 'node:child_process';
import path from 'node:path';
import type { LoadOrder, LoadReport } from './load.ts';
import type { BenchPlatform } from './platform.ts';

export interface Generator {
  /** @throws Error when a settlement didn't go through exactly the changes that it should have */
  run(order: LoadOrder): Promise<LoadReport>;
  close(): void;
}

/** Starts the load generator's process on a platform. */
export function startGenerator(platform: BenchPlatform): Generator {
  const child = fork(path.join(import.meta.dirname, 'load.ts'));
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the load generator ended with exit code ${code}`)));
  });
  ended.catch(() => undefined);
  child.send({ grpc: platform.grpc, parties: platform.parties, watcherKey: platform.operatorKey });
  return {
    run: async (order) => {
      const answered = new Promise<LoadReport>((resolve) => {
        child.once('message', (message) => resolve(message as LoadReport));
      });
      child.send(order);
      const report = await Promise.race([answered, ended]);
      const rate = `${Math.round(order.count / report.seconds)}/s${order.perSecond === undefined ? '' : ' (paced)'}`;
      process.stderr.write(`  ${order.count} settled in ${report.seconds.toFixed(1)} s, ${rate}\n`);
      if (report.wrong.length > 0) throw new Error(`it didn't go as it should: ${report.wrong.join('; ')}`);
      return report;
    },
    close: () => {
      if (child.connected) child.disconnect();
    },
  };
}
