import { onPlatform } from './e2e.fixture.ts';
import { otherUnits } from './suites/exchange.fixture.ts';

onPlatform('money beside the chain’s', (e2e) => {
  otherUnits(e2e);
});
