import { type Aggregate, assertNever, type Instant } from '@finality/kernel';

/** From here on this version of the list counts, and no other. */
export interface LabelListLoaded {
  readonly type: 'label_list_loaded';
  /** SHA-256 of the file, hex. */
  readonly version: string;
  readonly labels: number;
  readonly quarantined: number;
  readonly at: Instant;
}

export type LabelListEvent = LabelListLoaded;

export type LabelListState =
  | { readonly status: 'not_loaded' }
  | {
      readonly status: 'loaded';
      readonly version: string;
      readonly labels: number;
      readonly quarantined: number;
      readonly at: Instant;
    };

/** Stream `label_list/<name>`. */
export const labelList: Aggregate<LabelListState, LabelListEvent> = {
  name: 'label_list',
  initialState: { status: 'not_loaded' },
  evolve(_state, event) {
    switch (event.type) {
      case 'label_list_loaded': {
        const { version, labels, quarantined, at } = event;
        return { status: 'loaded', version, labels, quarantined, at };
      }
      default:
        return assertNever(event.type, 'label list event');
    }
  },
};

const VERSION_SHOWN = 12;

/** The lists in use, as a verdict records them: `ofac-xbt@0123456789ab,own@…`, or `none`. */
export function labelsVersion(lists: ReadonlyMap<string, LabelListState>): string {
  const parts = [...lists]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, list]) => `${name}@${list.status === 'loaded' ? list.version.slice(0, VERSION_SHOWN) : 'missing'}`);
  return parts.length === 0 ? 'none' : parts.join(',');
}
