import type { Rebuild } from '@finality/event-store';
import { writeUsedNonces } from './allow-list.ts';
import { writeJournal } from './outbound/journal.ts';

/** The journal's tables say what its events say, and their keys refuse it where two events contradict each other: each is written by itself, in order. */
export const SIGNER_REBUILD: Rebuild = {
  projections: [
    {
      tables: [
        ...['accounts', 'journal', 'journal_coins', 'journal_releases', 'journal_epochs', 'journal_payouts'],
        'signed_heads',
      ],
      save: async (session, events) => {
        for (const event of events) await writeJournal(session, [event]);
      },
    },
    { tables: ['used_nonces'], save: writeUsedNonces },
  ],
  left: {
    seeds: 'the seed, encrypted: from a backup, or from its words; without it nothing can be signed',
    indices_highest:
      'the highest index that was ever derived, asked for without an event: from a backup; it only grows, so the one that is there stays true',
  },
};
