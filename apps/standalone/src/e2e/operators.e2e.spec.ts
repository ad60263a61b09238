import { onPlatform } from './e2e.fixture.ts';
import { proposedChanges, releasedCoins, resolvedSuspense } from './suites/operators.fixture.ts';

onPlatform('what takes two operators:', (e2e) => {
  proposedChanges(e2e);
  releasedCoins(e2e);
  resolvedSuspense(e2e);
});
