import { onPlatform } from './e2e.fixture.ts';
import { releasedCoins, resolvedSuspense } from './suites/operators.fixture.ts';

onPlatform('what takes two operators:', (e2e) => {
  releasedCoins(e2e);
  resolvedSuspense(e2e);
});
