import { onPlatform } from './e2e.fixture.ts';
import { reversals } from './suites/reversals.fixture.ts';
import { schedules } from './suites/schedules.fixture.ts';
import { statements } from './suites/statements.fixture.ts';

onPlatform('statements, reversals and schedules', (e2e) => {
  statements(e2e);
  reversals(e2e);
  schedules(e2e);
});
