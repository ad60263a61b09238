import type { Rebuild } from '@finality/event-store';
import { projectReports } from './reports.projection.ts';

const CHAIN =
  'read from the node: empty index_blocks, index_outputs and index_paid together, and the service reads all blocks again';
const OTHERS =
  'what address-issuer has said, in messages that were taken already, and what follows from it: from a backup';

export const RECONCILIATION_REBUILD: Rebuild = {
  projections: [{ tables: ['reports'], save: projectReports }],
  left: {
    ...Object.fromEntries(['index_blocks', 'index_outputs', 'index_paid'].map((table) => [table, CHAIN])),
    ...Object.fromEntries(['index_wallets', 'index_issued', 'index_scripts'].map((table) => [table, OTHERS])),
  },
};
