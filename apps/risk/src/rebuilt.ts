import type { Rebuild } from '@finality/event-store';
import { projectLabelLists } from './outbound/labels.ts';

const LISTS = 'lists of labels as they were loaded, of which events keep version and size: from a backup';

export const RISK_REBUILD: Rebuild = {
  projections: [{ tables: ['label_lists'], save: projectLabelLists }],
  left: { labels: LISTS, label_quarantine: LISTS },
};
