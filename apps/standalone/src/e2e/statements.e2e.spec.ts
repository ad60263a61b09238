import { onPlatform } from './e2e.fixture.ts';
import { reversals } from './suites/reversals.fixture.ts';
import { statements } from './suites/statements.fixture.ts';

onPlatform('statements and reversals', (e2e) => {
  statements(e2e);
  reversals(e2e);
});
